"""Grids of small pictures, drawn pixel by pixel."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from workbench.plots._arrays import Values, finite, name_of, named, say
from workbench.plots.plot import Plot, canvas
from workbench.plots.style import styled


@styled
def images(
    pictures: Values | Mapping[object, Values],
    *,
    columns: int | None = None,
    column_labels: Sequence[object] | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """Pictures (n, 3, h, w) or (n, 1, h, w) with values in [-1, 1]; a dictionary gives one labeled row for each entry.

    Without a dictionary the pictures fill rows of `columns` (default: the most square grid). Values outside [-1, 1] are
    clipped, and the alt text says how many.

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for pictures that are not finite (n, 3 or 1, h, w), rows of different sizes, or labels that are not one for each column.
    """
    labeled = isinstance(pictures, Mapping)
    if labeled:
        rows = {name_of(label): _pictures(x, name_of(label)) for label, x in named(pictures, "pictures").items()}
    else:
        every = _pictures(pictures, "pictures")
        width = columns or math.ceil(math.sqrt(len(every)))
        rows = {str(k): every[k : k + width] for k in range(0, len(every), width)}
    shapes = {row.shape[1:] for row in rows.values()}
    if len(shapes) != 1:
        raise ValueError(f"pictures: got shapes {sorted(shapes)}; all rows need the same size to share one figure")
    widest = max(len(row) for row in rows.values())
    if column_labels is not None and len(column_labels) != widest:
        raise ValueError(f"column_labels: got {len(column_labels)} for {widest} columns; give one for each")
    _, height, width = shapes.pop()
    gap = max(1, height // 16)
    sheet = np.concatenate([_strip(row, widest, gap) for row in rows.values()])[gap:, gap:]
    side = min(0.95, 6.4 / widest)
    size = (side * widest + (1.2 if labeled else 0.2), side * height / width * len(rows) + (0.6 if title else 0.3))
    figure, (axis,) = canvas(size=size, title=title)
    axis.imshow(sheet, interpolation="nearest")
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axis.set_xticks([k * (width + gap) + width / 2 for k in range(widest)] if column_labels is not None else [])
    axis.set_yticks([k * (height + gap) + height / 2 for k in range(len(rows))] if labeled else [])
    axis.set_xticklabels([name_of(label) for label in column_labels or ()])
    axis.set_yticklabels(list(rows) if labeled else [])
    return Plot(figure, _words(rows, labeled, column_labels), caption)


def _strip(row: np.ndarray, widest: int, gap: int) -> np.ndarray:
    """One row of pictures with a white gap above and to the left of each, (h + gap, widest * (w + gap), 3) uint8."""
    _, _, h, w = row.shape
    strip = np.full((h + gap, widest * (w + gap), 3), 255, dtype=np.uint8)
    for k, picture in enumerate(_bytes(row)):
        left = k * (w + gap) + gap
        strip[gap:, left : left + w] = picture
    return strip


def _bytes(x: np.ndarray) -> np.ndarray:
    """From [-1, 1], channels first, to 0 .. 255, channels last; values outside are clipped."""
    return np.rint(np.clip((x + 1) / 2, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def pixels(pictures: Values, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """One uint8 array (height, width, 3): pictures (n, 3 or 1, h, w) in [-1, 1], tiled at their own size on white."""
    x = _pictures(pictures, "pictures")
    columns = columns or math.ceil(math.sqrt(len(x)))
    strips = [_strip(x[k : k + columns], columns, gap) for k in range(0, len(x), columns)]
    return np.concatenate(strips)[gap:, gap:]


def _pictures(x: Values, what: str) -> np.ndarray:
    x = finite(x, what)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x):
        raise ValueError(f"{what}: got shape {tuple(x.shape)}; needs (n, 3, h, w) or (n, 1, h, w) with values in [-1, 1]")
    return x


def _words(rows: Mapping[str, np.ndarray], labeled: bool, column_labels: Sequence[object] | None) -> str:
    count = sum(len(row) for row in rows.values())
    height, width = next(iter(rows.values())).shape[2:]
    many, widest = "s" * (len(rows) > 1), max(map(len, rows.values()))
    head = f"Grid of {count} pictures, {height} by {width} pixels each, {len(rows)} row{many} of up to {widest}."
    if column_labels is not None:
        head += f" Columns: {', '.join(name_of(label) for label in column_labels)}."
    groups = rows if labeled else {"all": np.concatenate(list(rows.values()))}
    parts = []
    for label, row in groups.items():
        outside = float((np.abs(row) > 1).mean())
        clipped = f", {100 * outside:.2g} percent of the values clipped to [-1, 1]" if outside else ""
        parts.append(
            f"{label}: mean brightness {say((row.mean() + 1) / 2, 2)}, contrast {say(row.std() / 2, 2)} of full scale{clipped}"
        )
    return f"{head} {'; '.join(parts)}."
