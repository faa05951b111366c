"""What schedules do to signal and noise, and where grids put their steps."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from workbench.plots._arrays import Values, array, listed, name_of, named, say, vector
from workbench.plots.plot import Plot, canvas
from workbench.plots.style import SCHEDULES, SIZE, looks, styled


@styled
def schedules(
    which: Sequence | Mapping[object, object],
    *,
    in_log_snr: bool = False,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    r"""Signal :math:`\alpha`, noise :math:`\sigma` and :math:`\lambda=\log(\alpha/\sigma)` against time.

    Each schedule is drawn from its ``t_last`` to its ``t_first``, the ends of grids in log-SNR; when one of them is longer
    than 1, time is a fraction of it. The window of :math:`\lambda` is cut at -10 and 10. With ``in_log_snr=True``,
    :math:`\alpha` and :math:`\sigma` against :math:`\lambda` instead: there all variance-preserving schedules are one.

    Raises:
        TypeError: for something that is not a schedule.
        ValueError: for no schedules.
    """
    chosen = dict(which) if isinstance(which, Mapping) else {_short(s): s for s in which}
    if not chosen:
        raise ValueError("got no schedules; give at least one, such as [VP(), Cosine()]")
    found = {label: _evaluate(schedule) for label, schedule in chosen.items()}
    panels = (
        ("alpha", r"signal $\alpha$"),
        ("sigma", r"noise $\sigma$"),
        ("log_snr", r"$\lambda=\log(\alpha/\sigma)$"),
    )
    panels = panels[:2] if in_log_snr else panels
    far = max(float(v["t_first"]) for v in found.values()) > 1
    figure, axes = canvas(1, len(panels), size=(7.4, 3.1), title=title)
    for axis, (key, ylabel) in zip(axes, panels, strict=True):
        for (label, values), style in zip(found.items(), looks(chosen, SCHEDULES), strict=True):
            x = values["log_snr"] if in_log_snr else values["t"] / (values["t_first"] if far else 1)
            axis.plot(x, values[key], label=name_of(label), markevery=len(x) // 5, markersize=4, **style.kwargs())
        axis.set(ylabel=ylabel, xlabel=_horizontal(in_log_snr, far))
        if in_log_snr:
            axis.set_xlim(_window(found))
        elif key == "log_snr":
            axis.set_ylim(_window(found))
        if key == "sigma" and max(v["sigma"].max() for v in found.values()) > 2:
            axis.set_yscale("log")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5))
    words = [
        f"{name_of(label)}: alpha {say(v['alpha'][0], 2)} to {say(v['alpha'][-1], 2)}, sigma {say(v['sigma'][0], 2)} "
        f"to {say(v['sigma'][-1], 2)}, "
        f"lambda {say(v['log_snr'][0], 3)} down to {say(v['log_snr'][-1], 3)}"
        for label, v in found.items()
    ]
    against = "lambda" if in_log_snr else "time from clean to noisy"
    what = "alpha and sigma" if in_log_snr else "alpha, sigma and lambda"
    return Plot(figure, f"{what.capitalize()} against {against} for {listed(list(found))}. {'; '.join(words)}.", caption)


def _horizontal(in_log_snr: bool, far: bool) -> str:
    """The horizontal label of a schedule panel."""
    return r"$\lambda$" if in_log_snr else r"$t\,/\,t_{\mathrm{first}}$" if far else "time $t$"


@styled
def grid_points(
    grids: Mapping[object, Values],
    *,
    schedule: object | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    r"""One row of marks per time grid; with a `schedule`, a second panel shows the same steps in :math:`\lambda`.

    A time whose :math:`\lambda` is infinite (data at 0, or pure noise) is drawn in the first panel only.

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for no grids, or one that is empty, not one-dimensional, or not finite.
    """
    data = {label: vector(grid, name_of(label)) for label, grid in named(grids, "grid").items()}
    panels = 1 if schedule is None else 2
    figure, axes = canvas(1, panels, size=(7.0 if panels == 2 else SIZE[0], 1.3 + 0.36 * len(data)), title=title)
    for number, (grid, style) in enumerate(zip(data.values(), looks(data), strict=True)):
        columns = [grid] if schedule is None else [grid, _log_snr(schedule, grid)]
        for axis, values in zip(axes, columns, strict=True):
            axis.plot(
                values,
                np.full(len(values), -number),
                marker=style.marker.replace("None", "|"),
                color=style.color,
                linestyle="-",
                linewidth=0.6,
            )
    for axis, label in zip(axes, ("time $t$", r"$\lambda$"), strict=False):
        axis.set(xlabel=label, ylim=(0.6 - len(data), 0.6))
        axis.set_yticks(range(0, -len(data), -1), [name_of(label) for label in data] if axis is axes[0] else [""] * len(data))
        axis.grid(axis="y", visible=False)
    axes[0].invert_xaxis()
    words = []
    for label, grid in data.items():
        steps = np.abs(np.diff(grid))
        words.append(
            f"{name_of(label)}: {len(grid) - 1} steps from {say(grid[0])} to {say(grid[-1])}"
            + (f", first {say(steps[0])}, last {say(steps[-1])}" if len(steps) else "")
        )
    second = " and at which lambda" if schedule is not None else ""
    return Plot(
        figure,
        f"Where {len(data)} time grids put their steps in t{second}, noise on the left. {'; '.join(words)}.",
        caption,
    )


def _window(found: Mapping[object, dict[str, np.ndarray]]) -> tuple[float, float]:
    """All lambdas, but never more than [-10, 10]: a schedule that ends in pure noise would hide the rest."""
    lowest, highest = (f([f(v["log_snr"]) for v in found.values()]) for f in (min, max))
    return max(lowest - 0.5, -10.0), min(highest + 0.5, 10.0)


def _short(schedule: object) -> str:
    given = getattr(schedule, "name", None)
    return given if isinstance(given, str) else type(schedule).__name__


def _evaluate(schedule: object) -> dict[str, np.ndarray]:
    for face in ("alpha", "sigma", "log_snr", "t_first", "t_last"):
        if not hasattr(schedule, face):
            raise TypeError(f"got {type(schedule).__name__}; a schedule has alpha(t), sigma(t), log_snr(t), t_first and t_last")
    first, last = float(schedule.t_first), float(schedule.t_last)
    space = np.geomspace if first > 1 else np.linspace
    t = np.clip(space(last, first, 201), last, first)
    values = {face: array(getattr(schedule, face)(torch.from_numpy(t)), face) for face in ("alpha", "sigma", "log_snr")}
    return values | {"t": t, "t_first": np.array(first)}


def _log_snr(schedule: object, grid: np.ndarray) -> np.ndarray:
    values = array(schedule.log_snr(torch.from_numpy(grid[grid > 0])), "log_snr")
    return values[np.isfinite(values)]


__all__ = ["grid_points", "schedules"]
