"""Lines against a number: any labeled curves, and the measured order of a method."""

from collections.abc import Collection, Mapping
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from workbench.metrics import Order, fitted_order
from workbench.plots._arrays import Values, array, name_of, named, say, vector
from workbench.plots.plot import Plot, canvas, legend
from workbench.plots.style import GRAY, SIZE, looks, styled


@styled
def curves(
    lines: Mapping[object, tuple[Values, Values]] | Mapping[object, Values],
    *,
    x: Values | None = None,
    xlabel: str = "x",
    ylabel: str = "y",
    logx: bool = False,
    logy: bool = False,
    markers: bool | None = None,
    loose: Collection[object] = (),
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Labeled lines. Each entry is ``(x, y)``, or only ``y`` when all share the `x` given once.

    Markers are drawn at up to 40 points of short lines; longer ones carry a few evenly spaced marks.  Entries named in `loose` are
    points that follow no order: marks alone, not joined, one for each.

    Raises:
        TypeError: for values that are not numbers, or a line that is neither (x, y) nor y with x= given.
        ValueError: for no lines, unequal lengths, values that are not finite, or not positive on a logarithmic axis; for a name in
            `loose` that no line has.
    """
    data = {label: _pair(line, x, name_of(label)) for label, line in named(lines, "curve").items()}
    if unknown := [label for label in loose if label not in data]:
        raise ValueError(f"loose names {unknown}, and the lines are {list(data)}; name those whose points are not to be joined")
    for label, (a, b) in data.items():
        _positive(a, logx, f"{name_of(label)}: x", "logx")
        _positive(b, logy, f"{name_of(label)}: y", "logy")
    figure, (axis,) = canvas(size=(SIZE[0] + (1.2 if len(data) > 1 else 0), SIZE[1]), title=title)
    for (label, (a, b)), look in zip(data.items(), looks(data), strict=True):
        few = label in loose or (len(a) <= 40 if markers is None else markers)
        axis.plot(
            a,
            b,
            label=name_of(label),
            markevery=1 if few else max(len(a) // 8, 1),
            markersize=5 if few else 4,
            **(look.kwargs() | ({"linestyle": "none"} if label in loose else {})),
        )
    _axes(axis, xlabel, ylabel, logx, logy)
    if len(data) > 1:
        legend(figure, axis)
    scales = {
        (True, True): ", both axes logarithmic",
        (True, False): ", horizontal axis logarithmic",
        (False, True): ", vertical axis logarithmic",
    }
    head = f"Line plot of {_plain(ylabel)} against {_plain(xlabel)}{scales.get((logx, logy), '')}."
    told = (_spread(label, a, b) if label in loose else _trend(label, a, b) for label, (a, b) in data.items())
    return Plot(figure, " ".join([head, *told]), caption)


@styled
def convergence(
    errors: Mapping[object, tuple[Values, Values]],
    *,
    last: int | None = 4,
    xlabel: str = "model evaluations",
    ylabel: str = "error",
    triangle: bool = True,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Error against evaluations on log-log axes, with the order of each method measured from its `last` points.

    Each entry is ``(evaluations, errors)``. ``last=None`` fits all points. A slope triangle shows each whole order
    found.

    Raises:
        TypeError: for an entry that is not (evaluations, errors).
        ValueError: for no entries, fewer than two points, unequal lengths, or numbers that are not finite and positive.
    """
    data = {label: _pair(line, None, name_of(label)) for label, line in named(errors, "error").items()}
    for label, (n, error) in data.items():
        _positive(n, True, f"{name_of(label)}: evaluations", "a log-log plot")
        _positive(error, True, f"{name_of(label)}: errors", "a log-log plot")
        if len(n) < 2:
            raise ValueError(f"{name_of(label)}: got one point; an order needs at least two")
    tail = slice(None) if last is None else slice(-last, None)
    orders = {label: fitted_order(n[tail], error[tail]) for label, (n, error) in data.items()}
    figure, (axis,) = canvas(size=(SIZE[0] + 1.2, SIZE[1] + 0.2), title=title)
    for (label, (n, error)), look in zip(data.items(), looks(data), strict=True):
        axis.plot(n, error, label=f"{name_of(label)}\norder {orders[label].order:.2f}", **look.kwargs())
    if triangle:
        _triangles(axis, data, orders)
    _axes(axis, xlabel, ylabel, True, True)
    legend(figure, axis)
    words = [
        f"{name_of(label)} goes from {say(e[0])} at {say(n[0])} to {say(e[-1])} at {say(n[-1])}, measured order {o.order:.2f}"
        for (label, (n, e)), o in zip(data.items(), orders.values(), strict=True)
    ]
    best = min(data, key=lambda label: data[label][1][-1])
    alt = f"Log-log plot of {_plain(ylabel)} against {_plain(xlabel)}. {'; '.join(words)}."
    return Plot(figure, alt + (f" {name_of(best)} ends with the smallest error." if len(data) > 1 else ""), caption)


def _triangles(axis: Axes, data: Mapping, orders: Mapping[object, Order]) -> None:
    """Under the lowest curve of each whole order, a triangle with that slope."""
    chosen: dict[int, object] = {}
    for label, found in orders.items():
        whole = round(found.order)
        if (
            whole >= 1
            and abs(found.order - whole) < 0.3
            and (whole not in chosen or data[label][1][-1] < data[chosen[whole]][1][-1])
        ):
            chosen[whole] = label
    for whole, label in chosen.items():
        n, error = data[label]
        right = n[-1]
        left = right / min(2.0, n[-1] / n[0])
        low = error[-1] * 0.45
        high = low * (right / left) ** whole
        axis.fill([left, right, left], [high, low, low], facecolor="#EEF0F2", edgecolor=GRAY, linewidth=0.9, zorder=1)
        axis.annotate(
            str(whole),
            (left, (high * low) ** 0.5),
            textcoords="offset points",
            xytext=(-4, 0),
            ha="right",
            va="center",
            fontsize=8.5,
            color="#444444",
        )


def _pair(line: object, x: Values | None, what: str) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(line, tuple) and len(line) == 2 and x is None:
        a, b = line
    elif x is not None:
        a, b = x, line
    else:
        raise TypeError(f"{what}: got {type(line).__name__}; give (x, y), or y alone together with x=...")
    a, b = vector(a, f"{what}: x"), array(b, f"{what}: y")
    if b.shape != a.shape:
        raise ValueError(f"{what}: got {a.shape} horizontal and {b.shape} vertical values; give as many of each, one-dimensional")
    return a, vector(b, f"{what}: y")


def _positive(values: np.ndarray, needed: bool, what: str, why: str) -> None:
    if needed and (values <= 0).any():
        raise ValueError(
            f"{what}: {int((values <= 0).sum())} of {values.size} numbers are not positive, which {why} needs; leave them out"
        )


def _axes(axis: Axes, xlabel: str, ylabel: str, logx: bool, logy: bool) -> None:
    axis.set(xlabel=xlabel, ylabel=ylabel)
    if logx:
        axis.set_xscale("log")
        plain_numbers(axis.xaxis, *axis.get_xlim())
    if logy:
        axis.set_yscale("log")
        plain_numbers(axis.yaxis, *axis.get_ylim())


def plain_numbers(axis: Axis, low: float, high: float) -> None:
    """A logarithmic axis over less than two decades is labeled 1, 2, 5, 10 and not with powers, which would collide."""
    if high / low < 60:
        axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _trend(label: object, a: np.ndarray, b: np.ndarray) -> str:
    text = f"{name_of(label)}: {say(b[0])} at {say(a[0])}, {say(b[-1])} at {say(a[-1])}"
    inside = {"lowest": b.argmin(), "highest": b.argmax()}
    text += "".join(f", {word} {say(b[k])} at {say(a[k])}" for word, k in inside.items() if 0 < k < len(b) - 1)
    steady = (
        "never decreasing"
        if all(q >= p for p, q in pairwise(b))
        else "never increasing"
        if all(q <= p for p, q in pairwise(b))
        else ""
    )
    return text + (f", {steady}" if steady and len(b) > 2 and b.min() < b.max() else "") + "."


def _spread(label: object, a: np.ndarray, b: np.ndarray) -> str:
    """The sentence about points that are not joined."""
    return f"{name_of(label)}: {len(a)} points, from {say(a.min())} to {say(a.max())} across and from {say(b.min())} to {say(b.max())} up."


def _plain(label: str) -> str:
    """A label without its TeX marks, for reading aloud."""
    return label.replace("$", "").replace("\\", "").replace("{", "").replace("}", "")


__all__ = ["convergence", "curves"]
