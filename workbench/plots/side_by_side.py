"""The same curves on two or more models, panel by panel, on one scale."""

from collections.abc import Mapping

from workbench.plots._arrays import Values, name_of, named
from workbench.plots.curves import _axes, _pair, _plain, _positive, _trend
from workbench.plots.plot import Plot, canvas
from workbench.plots.style import PANELS, looks, styled

WIDTH = 7.4


@styled
def side_by_side(
    panels: Mapping[object, Mapping[object, tuple[Values, Values]] | Mapping[object, Values]],
    *,
    x: Values | None = None,
    xlabel: str = "x",
    ylabel: str = "y",
    logx: bool = False,
    logy: bool = False,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Labeled lines in up to four panels with shared axes: ``{panel: {label: (x, y)}}``, or only y with `x` given once.

    A label has one color, marker and line in all panels, and one entry in the legend below.

    Raises:
        TypeError: for a panel that holds no labeled lines, or a line that is neither (x, y) nor y with x= given.
        ValueError: for fewer than two panels or more than four, no lines, unequal lengths, or values that are not finite, or not
            positive on a logarithmic axis.
    """
    if not 2 <= len(panels) <= PANELS:
        raise ValueError(f"panels: got {len(panels)}; needs 2 to {PANELS} (one panel is plots.curves)")
    data: dict[object, dict[object, tuple]] = {}
    for panel, lines in panels.items():
        if not isinstance(lines, Mapping):
            raise TypeError(f"{name_of(panel)}: got {type(lines).__name__}; each panel needs a dictionary of labeled lines")
        data[panel] = {label: _pair(line, x, name_of(label)) for label, line in named(lines, "curve").items()}
        for label, (a, b) in data[panel].items():
            _positive(a, logx, f"{name_of(panel)}, {name_of(label)}: x", "logx")
            _positive(b, logy, f"{name_of(panel)}, {name_of(label)}: y", "logy")
    labels = list(dict.fromkeys(label for lines in data.values() for label in lines))
    look = dict(zip(labels, looks(labels), strict=True))
    figure, axes = canvas(1, len(data), size=(WIDTH, 3.7), title=title, share=True)
    drawn = {}
    for axis, (panel, lines) in zip(axes, data.items(), strict=True):
        for label, (a, b) in lines.items():
            (drawn[name_of(label)],) = axis.plot(a, b, label=name_of(label), markersize=5, **look[label].kwargs())
        _axes(axis, xlabel, ylabel if axis is axes[0] else "", logx, logy)
        axis.set_title(name_of(panel))
    columns = max(1, min(len(drawn), 4, int(WIDTH // (0.9 + 0.08 * max(map(len, drawn))))))
    figure.legend(list(drawn.values()), list(drawn), loc="outside lower center", ncols=columns, handlelength=4.2)
    scales = " and ".join(word for word, is_log in (("horizontal", logx), ("vertical", logy)) if is_log)
    head = f"Line plots of {_plain(ylabel)} against {_plain(xlabel)}, {len(data)} panels on one scale"
    head += f", {scales} axis logarithmic." if scales else "."
    words = [
        f"Panel {name_of(panel)}: " + " ".join(_trend(label, a, b) for label, (a, b) in lines.items())
        for panel, lines in data.items()
    ]
    return Plot(figure, " ".join([head, *words]), caption)


__all__ = ["side_by_side"]
