"""Names that mean one thing: families of boxes joined by equal signs."""

from collections.abc import Mapping, Sequence

from workbench.plots.plot import Plot, canvas
from workbench.plots.style import BLACK, SLATE, look, name_of, styled

ROW, LETTER, GAP, WIDTH = 0.36, 0.063, 0.24, 6.4  # inches: a line of boxes, one letter, an equal sign, the figure


@styled
def chains(
    families: Mapping[str, Sequence[object]],
    *,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """One row of boxes for each family, with = between them: ``{"one look": ["DDIM", "Euler"]}`` says that the two are the same.

    A method's box has the color that the method has in every figure.  Long families are broken into several lines.

    Raises:
        ValueError: for no families, or a family of fewer than two.
    """
    rows = {str(family): [name_of(member) for member in members] for family, members in families.items()}
    if not rows:
        raise ValueError("families: got none; needs at least one, such as {'one look': ['DDIM', 'Euler']}")
    for family, members in rows.items():
        if len(members) < 2:
            raise ValueError(f"{family}: got {members}; an equality needs at least two names")
    broken = {family: _lines(members) for family, members in rows.items()}
    height = sum(ROW * (len(lines) + 0.95) for lines in broken.values())
    figure, (axis,) = canvas(size=(WIDTH + 0.2, height + (0.4 if title else 0.1)), title=title)
    axis.set(xlim=(0, WIDTH), ylim=(height, 0))
    axis.axis("off")
    y = 0.0
    for family, lines in broken.items():
        axis.text(0, y + ROW * 0.45, family, fontsize=9.5, fontweight="bold", va="center")
        for i, line in enumerate(lines):
            _draw(axis, line, y + ROW * (i + 1.3), opens=i == 0)
        y += ROW * (len(lines) + 0.95)
    words = "; ".join(f"{family}: {' = '.join(members)}" for family, members in rows.items())
    return Plot(figure, f"{len(rows)} families of names that mean the same. {words}.", caption)


def _width(name: str) -> float:
    return LETTER * len(name) + 0.16


def _lines(members: Sequence[str]) -> list[list[str]]:
    lines, used = [[]], 0.0
    for name in members:
        if lines[-1] and used + _width(name) > WIDTH - GAP:
            lines.append([])
            used = GAP
        lines[-1].append(name)
        used += _width(name) + GAP
    return lines


def _draw(axis, names: Sequence[str], y: float, opens: bool) -> None:
    x = 0.0
    for i, name in enumerate(names):
        if i or not opens:
            axis.text(x + GAP / 2, y, "=", ha="center", va="center", fontsize=11)
            x += GAP
        color = found.color if (found := look(name)) else SLATE
        box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": color, "linewidth": 1.4}
        axis.text(x + _width(name) / 2, y, name, ha="center", va="center", fontsize=8, color=BLACK, bbox=box)
        x += _width(name)
