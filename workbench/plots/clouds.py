"""Clouds of points in the plane: over each other, side by side, and on their way."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes

from workbench.plots._arrays import Extent, Values, around, array, extent_of, name_of, named, on_grid, points, say
from workbench.plots.plot import Plot, canvas, legend, planes
from workbench.plots.style import BLACK, GRAY, INDIGO, PANELS, Look, look, looks, styled


@styled
def scatter(
    clouds: Values | Mapping[object, Values],
    *,
    log_prob: Callable | None = None,
    extent: Extent | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Clouds (n, 2) over each other in one pair of axes, with optional contours of a log density (n, 2) -> (n,).

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for no clouds, shapes other than (n, 2), values that are not finite, or an extent without area.
    """
    data = {label: points(x, name_of(label)) for label, x in named(clouds, "samples").items()}
    limits = extent_of(extent) if extent is not None else around(list(data.values()))
    figure, (axis,) = canvas(size=(6.4, 4.2), title=title, square=True)
    for (label, x), drawn in zip(data.items(), looks(data), strict=True):
        _dots(axis, x, drawn.color, marker=drawn.marker, label=name_of(label))
    if log_prob is not None:
        _contours(axis, log_prob, limits)
    _plane(axis, limits)
    if len(data) > 1:
        legend(figure, axis)
    contour = " over contours of the density" if log_prob is not None else ""
    return Plot(figure, f"Scatter plot in the plane{contour}. {_describe(data, limits)}", caption)


@styled
def clouds(
    samples: Values | Mapping[object, Values],
    *,
    log_prob: Callable | None = None,
    extent: Extent | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Clouds (n, 2) side by side on shared axes, with optional contours of a log density (n, 2) -> (n,) in each.

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for no clouds, shapes other than (n, 2), values that are not finite, or an extent without area.
    """
    data = {label: points(x, name_of(label)) for label, x in named(samples, "samples").items()}
    limits = extent_of(extent) if extent is not None else around(list(data.values()))
    figure, axes, columns = planes(len(data), most=PANELS, least=4.2, title=title)
    for axis, (label, x) in zip(axes, data.items(), strict=False):
        _dots(axis, x, found.color if (found := look(label)) else INDIGO)
        axis.set_title(name_of(label))
        if log_prob is not None:
            _contours(axis, log_prob, limits)
        _plane(axis, limits)
    _outer(figure, axes, columns, len(data))
    panels = f"{len(data)} panels on shared axes" if len(data) > 1 else "One panel"
    contour = " with contours of the density" if log_prob is not None else ""
    return Plot(figure, f"{panels}, a cloud of samples in each{contour}. {_describe(data, limits)}", caption)


@styled
def trajectories(
    runs: object,
    *,
    data: Values | None = None,
    exact: Values | None = None,
    count: int = 40,
    extent: Extent | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Paths in the plane from noise (hollow) to sample (filled), one panel a run, on shared axes.

    `runs` is a ``Solution`` with a trajectory, a tensor (steps + 1, n, 2), or a dictionary of them. The first `count`
    paths are drawn. `data` is a cloud behind them; `exact` (n, 2) are the end points the paths should have reached.

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for no runs, a run without a trajectory, shapes other than (steps + 1, n, 2), values that are not finite, exact
            ends that are not one for each path, or an extent without area.
    """
    paths = {label: _path(run, name_of(label)) for label, run in named(runs, "paths").items()}
    behind = None if data is None else points(data, "data")
    target = None if exact is None else points(exact, "exact")
    everything = [p[:, :count].reshape(-1, 2) for p in paths.values()] + ([] if behind is None else [behind])
    limits = extent_of(extent) if extent is not None else around(everything)
    figure, axes, columns = planes(len(paths), most=3, least=4.6, title=title)
    words = []
    for axis, (label, path), drawn in zip(axes, paths.items(), looks(paths), strict=False):
        if behind is not None:
            _dots(axis, behind, GRAY, strength=0.35)
        _paths(axis, path[:, :count], drawn)
        if target is not None:
            axis.plot(*target[:count].T, "x", color=BLACK, markersize=4, zorder=5)
        if len(paths) > 1:
            axis.set_title(name_of(label))
        _plane(axis, limits)
        words.append(_travel(label, path, target))
    _outer(figure, axes, columns, len(paths))
    shown = min(count, next(iter(paths.values())).shape[1])
    crosses = "; crosses mark the exact end points" if target is not None else ""
    head = f"Paths of {shown} samples in the plane, from hollow circles (noise) to filled dots (result){crosses}."
    return Plot(figure, " ".join([head, *words]), caption)


def _path(run: object, what: str) -> np.ndarray:
    xs = getattr(run, "xs", run)
    if xs is None:
        raise ValueError(f"{what}: this run kept no trajectory; solve again with trajectory=True")
    path = array(xs, what)
    if path.ndim != 3 or path.shape[2] != 2 or len(path) < 2 or not path.shape[1]:
        raise ValueError(f"{what}: got shape {path.shape}; paths in the plane need (steps + 1, n, 2)")
    points(path.reshape(-1, 2), what)
    return path


def _paths(axis: Axes, path: np.ndarray, look: Look) -> None:
    thin = 0.9 if path.shape[1] > 12 else 1.4
    for one in path.transpose(1, 0, 2):
        axis.plot(*one.T, color=look.color, linewidth=thin, alpha=0.75, zorder=2)
    if len(path) <= 30:
        axis.plot(*path[1:-1].reshape(-1, 2).T, ".", color=look.color, markersize=2.5, alpha=0.8, zorder=3)
    axis.plot(*path[0].T, "o", markerfacecolor="white", markeredgecolor=look.color, markersize=4.5, zorder=4)
    axis.plot(*path[-1].T, "o", color=look.color, markeredgecolor=BLACK, markersize=4.5, zorder=4)


def _travel(label: object, path: np.ndarray, target: np.ndarray | None) -> str:
    steps = np.linalg.norm(np.diff(path, axis=0), axis=2).sum(0)
    direct = np.linalg.norm(path[-1] - path[0], axis=1)
    ratio = say(steps.sum() / max(direct.sum(), 1e-300))
    text = f"{name_of(label)}: {len(path) - 1} steps, paths {ratio} times as long as the straight line"
    if target is not None:
        if len(target) != path.shape[1]:
            raise ValueError(f"exact: got {len(target)} end points for {path.shape[1]} paths; give one for each")
        text += f", mean distance to the exact end {say(np.linalg.norm(path[-1] - target, axis=1).mean())}"
    return text + "."


def _dots(axis: Axes, x: np.ndarray, color: str, *, marker: str = "o", label: str | None = None, strength: float = 1.0) -> None:
    size, alpha = (16, 0.9) if len(x) <= 100 else (8, 0.6) if len(x) <= 1000 else (4, 0.4)
    marker = "o" if marker == "None" else marker
    axis.scatter(*x.T, s=size, c=color, alpha=alpha * strength, marker=marker, linewidths=0, label=label, zorder=1.5)


def _contours(axis: Axes, log_prob: Callable, limits: tuple) -> None:
    x, y, log_density = on_grid(log_prob, limits, 90, "log_prob")
    peak = log_density.max()
    axis.contour(
        x,
        y,
        log_density - peak,
        levels=[-4.5, -2, -0.5],
        colors="#333333",
        linewidths=0.7,
        alpha=0.8,
        linestyles="solid",
        zorder=3,
    )


def _plane(axis: Axes, limits: tuple, letter: str = "x") -> None:
    axis.set(xlim=limits[:2], ylim=limits[2:], xlabel=f"${letter}_1$", ylabel=f"${letter}_2$")


def _outer(figure, axes: list[Axes], columns: int, used: int) -> None:
    """Axis labels on the outer panels only; panels that hold nothing disappear."""
    for number, axis in enumerate(axes):
        axis.set_visible(number < used)
        axis.set_ylabel(axis.get_ylabel() if number % columns == 0 else "")
        axis.set_xlabel(axis.get_xlabel() if number + columns >= used else "")
        axis.tick_params(labelbottom=number + columns >= used)


def _describe(data: Mapping[object, np.ndarray], limits: tuple) -> str:
    words = []
    for label, x in data.items():
        mean, deviation = x.mean(0), x.std(0)
        outside = int(((x < [limits[0], limits[2]]) | (x > [limits[1], limits[3]])).any(1).sum())
        text = (
            f"{name_of(label)}: {len(x)} points, mean ({say(mean[0], 2)}, {say(mean[1], 2)}), "
            f"standard deviation ({say(deviation[0], 2)}, {say(deviation[1], 2)})"
        )
        words.append(text + (f", {outside} of them outside the frame" if outside else ""))
    return f"{'; '.join(words)}." if len(words) > 1 else f"{words[0]}."


__all__ = ["clouds", "scatter", "trajectories"]
