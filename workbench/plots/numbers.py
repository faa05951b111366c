"""Distributions and tables: histogram, bars, heat map, spectrum."""

from collections.abc import Callable, Mapping, Sequence
from typing import SupportsFloat, SupportsInt

import numpy as np
import torch
from matplotlib.colors import LogNorm

from workbench.plots._arrays import Values, array, finite, name_of, named, say, vector
from workbench.plots.curves import _plain, plain_numbers
from workbench.plots.plot import Plot, canvas, legend
from workbench.plots.style import BLACK, SIZE, looks, styled


@styled
def histogram(
    values: Values | Mapping[object, Values],
    *,
    bins: int = 60,
    density: Callable | Mapping[object, Callable] | None = None,
    extent: tuple[float, float] | None = None,
    highest: float | None = None,
    xlabel: str = "value",
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Histograms of area 1 on common bins; `density` draws exact densities (n,) -> (n,) as lines over them.

    `extent` and `highest` fix the axes, for frames of a player; what lies outside is counted but not drawn.

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for no values, values that are not finite, fewer than 2 bins, or an extent of no length.
    """
    data = {label: vector(finite(x, name_of(label)).ravel(), name_of(label)) for label, x in named(values, "values").items()}
    if bins < 2:
        raise ValueError(f"bins: got {bins}; needs at least 2")
    if extent is not None and not extent[0] < extent[1]:
        raise ValueError(f"extent: got {extent}; needs (low, high) with low < high")
    edges = np.histogram_bin_edges(np.concatenate(list(data.values())), bins, extent)
    figure, (axis,) = canvas(size=(SIZE[0] + (1.2 if len(data) > 1 else 0), SIZE[1]), title=title)
    for (label, x), style in zip(data.items(), looks(data), strict=True):
        heights = np.histogram(x, edges)[0] / (x.size * np.diff(edges))
        axis.stairs(heights, edges, fill=True, alpha=0.25, color=style.color)
        axis.stairs(heights, edges, color=style.color, linestyle=style.line, linewidth=1.4, label=name_of(label))
    if density is not None:
        grid = torch.linspace(float(edges[0]), float(edges[-1]), 400, dtype=torch.float64)
        for (label, function), line in zip(named(density, "exact density").items(), ("-", "--", ":", "-.") * 4, strict=False):
            axis.plot(
                grid.numpy(),
                array(function(grid), name_of(label)),
                color=BLACK,
                linestyle=line,
                linewidth=1.3,
                label=name_of(label),
            )
    axis.set(xlabel=xlabel, ylabel="density")
    if highest is not None:
        axis.set_ylim(0, highest)
    if len(axis.get_legend_handles_labels()[0]) > 1:
        legend(figure, axis)
    words = [
        f"{name_of(label)}: {x.size} values, mean {say(x.mean())}, standard deviation {say(x.std())}, from "
        f"{say(x.min())} to {say(x.max())}"
        for label, x in data.items()
    ]
    exact = " with the exact density drawn over it" if density is not None else ""
    return Plot(figure, f"Histogram of {_plain(xlabel)}{exact}. {'; '.join(words)}.", caption)


@styled
def bars(
    heights: Mapping[object, SupportsFloat] | Mapping[object, Mapping[object, SupportsFloat]],
    *,
    ylabel: str = "value",
    log: bool = False,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Horizontal bars with their numbers: ``{label: height}``, or ``{label: {group: height}}`` for grouped bars.

    Raises:
        TypeError: for a height that is not a number.
        ValueError: for no bars, heights that are infinite or none finite, or not positive with log=True.
    """
    table = {label: dict(v) if isinstance(v, Mapping) else {"": v} for label, v in named(heights, "value").items()}
    groups = list(dict.fromkeys(group for row in table.values() for group in row))
    numbers = np.array([[float(row.get(group, np.nan)) for group in groups] for row in table.values()])
    if log and (numbers[np.isfinite(numbers)] <= 0).any():
        raise ValueError("log=True needs positive heights; leave out zeros or use a linear axis")
    if not np.isfinite(numbers).any() or np.isinf(numbers).any():
        raise ValueError(f"heights {numbers.tolist()} hold nothing finite, or infinity; leave such bars out")
    rows, thick = len(table) * len(groups), 0.8 / len(groups)
    figure, (axis,) = canvas(size=(SIZE[0], max(1.6, 0.9 + 0.28 * rows)), title=title)
    for g, (group, style) in enumerate(zip(groups, looks(groups if len(groups) > 1 else [""]), strict=True)):
        place = -np.arange(len(table)) - (g - (len(groups) - 1) / 2) * thick
        colors = [s.color for s in looks(table)] if len(groups) == 1 else style.color
        drawn = axis.barh(
            place,
            numbers[:, g],
            height=thick * 0.92,
            color=colors,
            hatch=("", "//", "..", "xx")[g % 4],
            edgecolor="white",
            label=name_of(group),
        )
        axis.bar_label(drawn, [say(v) if np.isfinite(v) else "" for v in numbers[:, g]], padding=3, fontsize=8.5)
    axis.set_yticks(-np.arange(len(table)), [name_of(label) for label in table])
    axis.set(xlabel=ylabel, xscale="log" if log else "linear")
    axis.margins(x=0.12)
    if log:
        plain_numbers(axis.xaxis, *axis.get_xlim())
    axis.grid(axis="y", visible=False)
    if len(groups) > 1:
        legend(figure, axis)
    words = [
        f"{name_of(label)} " + ", ".join(f"{name_of(group)} {say(v)}".strip() for group, v in row.items())
        for label, row in table.items()
    ]
    return Plot(figure, f"Bar chart of {_plain(ylabel)}{', logarithmic axis' if log else ''}. {'; '.join(words)}.", caption)


@styled
def heatmap(
    matrix: Values,
    *,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    xlabel: str = "column",
    ylabel: str = "row",
    label: str = "value",
    log: bool = False,
    limits: tuple[float, float] | None = None,
    numbers: bool | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """A matrix as colors, row 0 on top; numbers are written into the cells of small ones (up to 12 by 12).

    `limits` fixes the ends of the color scale, for frames of a player.

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for a matrix that is empty, not two-dimensional or not finite, entries that are not positive with log=True, limits
            that are not in order, or labels that are not one for each row or column.
    """
    m = finite(matrix, "matrix")
    if m.ndim != 2 or not m.size:
        raise ValueError(f"matrix: got shape {m.shape}; needs two dimensions, not empty")
    if log and (m <= 0).any():
        raise ValueError(f"matrix: {int((m <= 0).sum())} entries are not positive, which log=True needs; use a linear scale")
    for given, size, what in ((row_labels, m.shape[0], "row_labels"), (column_labels, m.shape[1], "column_labels")):
        if given is not None and len(given) != size:
            raise ValueError(f"{what}: got {len(given)} for {size}; give one for each")
    if limits is not None and not limits[0] < limits[1]:
        raise ValueError(f"limits: got {limits}; needs (low, high) with low < high")
    low, high = limits or (None, None)
    signed = not log and limits is None and m.min() < 0 < m.max()
    bound = np.abs(m).max()
    if log:
        scale = {"norm": LogNorm(low, high)}
    else:
        scale = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound} if signed else {"vmin": low, "vmax": high}
    figure, (axis,) = canvas(title=title, size=(SIZE[0], min(6.0, max(2.4, 6.4 * m.shape[0] / m.shape[1] * 0.7 + 0.5))))
    image = axis.imshow(m, aspect="auto" if m.shape[1] > 3 * m.shape[0] else "equal", interpolation="nearest", **scale)
    axis.grid(visible=False)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    for given, ticks in ((column_labels, axis.set_xticks), (row_labels, axis.set_yticks)):
        if given is not None:
            words = [name_of(one) for one in given]
            crowded = ticks == axis.set_xticks and sum(len(word) + 2 for word in words) > 45
            ticks(range(len(given)), words, **({"rotation": 30, "ha": "right"} if crowded else {}))
    if numbers if numbers is not None else max(m.shape) <= 12:
        for i, j in np.ndindex(*m.shape):
            red, green, blue, _ = image.cmap(image.norm(m[i, j]))
            axis.text(
                j,
                i,
                say(m[i, j]),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else BLACK,
            )
    figure.colorbar(image, ax=axis, label=label, shrink=0.9)
    top, low = (np.unravel_index(k, m.shape) for k in (m.argmax(), m.argmin()))
    where = [f"{_at(row_labels, k[0], ylabel)}, {_at(column_labels, k[1], xlabel)}" for k in (top, low)]
    size = f"{m.shape[0]} rows by {m.shape[1]} columns"
    ends = f"Highest {say(m.max())} at {where[0]}; lowest {say(m.min())} at {where[1]}; mean {say(m.mean())}"
    return Plot(figure, f"Heat map of {_plain(label)}, {size}. {ends}.", caption)


@styled
def spectrum(
    eigenvalues: Values | Mapping[object, Values],
    *,
    noise: Mapping[object, SupportsFloat] | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    r"""Eigenvalues of a covariance, largest first, on log-log axes.

    `noise` gives labeled noise levels :math:`\sigma`; each is a line at :math:`\sigma^2`, and the alt text counts the
    modes above it.

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for no eigenvalues, some that are not finite or below 0, or none above 0.
    """
    data = {label: np.sort(vector(v, name_of(label)))[::-1] for label, v in named(eigenvalues, "eigenvalues").items()}
    for label, v in data.items():
        if not (v > 0).any() or (v < -1e-9 * v.max()).any():
            raise ValueError(
                f"{name_of(label)}: eigenvalues from {say(v.min())} to {say(v.max())}; a covariance has none below 0 and one above"
            )
    figure, (axis,) = canvas(size=(SIZE[0] + 1.0, SIZE[1]), title=title)
    words = []
    for (label, v), style in zip(data.items(), looks(data), strict=True):
        kept = v[v > 0]
        marks = np.unique(np.geomspace(1, len(kept), 12).astype(int)) - 1
        axis.loglog(
            np.arange(1, len(kept) + 1),
            kept,
            label=name_of(label),
            markevery=list(marks),
            markersize=4.5,
            **style.kwargs(),
        )
        total = np.cumsum(v) / v.sum()
        words.append(
            f"{name_of(label)}: {len(v)} values from {say(v[0])} to {say(v[-1])}; 90 percent of the variance in the "
            f"first {int(np.searchsorted(total, 0.9)) + 1}"
        )
    for (label, sigma), line in zip((noise or {}).items(), ("--", "-.", ":") * 8, strict=False):
        axis.axhline(float(sigma) ** 2, color="#444444", linestyle=line, linewidth=1.1, label=name_of(label))
        above = ", ".join(str(int((v > float(sigma) ** 2).sum())) for v in data.values())
        words.append(f"{above} above {name_of(label)}")
    axis.set(xlabel="mode $k$", ylabel=r"eigenvalue $\Lambda_k$")
    if len(data) + len(noise or {}) > 1:
        legend(figure, axis)
    return Plot(figure, f"Spectrum of a covariance on log-log axes. {'; '.join(words)}.", caption)


def _at(labels: Sequence[object] | None, k: SupportsInt, axis_name: str) -> str:
    return f"{_plain(axis_name)} {name_of(labels[int(k)]) if labels is not None else int(k)}"


__all__ = ["bars", "heatmap", "histogram", "spectrum"]
