"""Grids of small pictures, drawn pixel by pixel."""

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
    """
    if isinstance(pictures, Mapping):
        rows = {name_of(label): _pictures(x, name_of(label)) for label, x in named(pictures, "pictures").items()}
    else:
        every = _pictures(pictures, "pictures")
        width = columns or int(np.ceil(np.sqrt(len(every))))
        rows = {str(k): every[k : k + width] for k in range(0, len(every), width)}
    widest = max(len(row) for row in rows.values())
    if column_labels is not None and len(column_labels) != widest:
        raise ValueError(f"column_labels: got {len(column_labels)} for {widest} columns; give one for each")
    labeled = isinstance(pictures, Mapping)
    side = min(0.95, 6.4 / widest)
    figure, axes = canvas(
        len(rows),
        widest,
        size=(side * widest + (1.1 if labeled else 0), side * len(rows) + (0.35 if column_labels or title else 0)),
        title=title,
    )
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    for number, (label, row) in enumerate(rows.items()):
        for place in range(widest):
            axis = axes[number * widest + place]
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if place < len(row):
                shown = np.clip((row[place].transpose(1, 2, 0) + 1) / 2, 0, 1)
                axis.imshow(
                    shown if shown.shape[2] == 3 else shown[..., 0],
                    cmap="gray",
                    vmin=0,
                    vmax=1,
                    interpolation="nearest",
                )
            if labeled and place == 0:
                axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
            if column_labels is not None and number == 0:
                axis.set_title(name_of(column_labels[place]), fontsize=9)
    return Plot(figure, _words(rows, labeled, column_labels), caption)


def pixels(pictures: Values, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """One uint8 array (height, width, 3): pictures (n, 3 or 1, h, w) in [-1, 1], tiled at their own size on white."""
    x = _pictures(pictures, "pictures")
    n, _, h, w = x.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, 3), 255, dtype=np.uint8)
    for k, picture in enumerate(np.rint(np.clip((x + 1) / 2, 0, 1) * 255).astype(np.uint8)):
        top, left = k // columns * (h + gap), k % columns * (w + gap)
        sheet[top : top + h, left : left + w] = picture.transpose(1, 2, 0)
    return sheet


def _pictures(x: Values, what: str) -> np.ndarray:
    x = finite(x, what)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not len(x):
        raise ValueError(
            f"{what}: got shape {tuple(x.shape)}; needs (n, 3, h, w) or (n, 1, h, w) with values in [-1, 1]"
        )
    return x


def _words(rows: Mapping[str, np.ndarray], labeled: bool, column_labels: Sequence[object] | None) -> str:
    count = sum(len(row) for row in rows.values())
    height, width = next(iter(rows.values())).shape[2:]
    head = f"Grid of {count} pictures, {height} by {width} pixels each, {len(rows)} row{'s' * (len(rows) > 1)} of up to {max(map(len, rows.values()))}."
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
