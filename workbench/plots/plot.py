"""A figure that carries its own alt text and shows itself, the same way in a notebook and on a page."""

import base64
import html
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from workbench.plots.style import CSS_DPI, DPI, SIZE, styled


class _FigureAndAlt(NamedTuple):
    figure: Figure
    alt: str


class Plot(_FigureAndAlt):
    """``figure, alt = plot``: a matplotlib figure and what it shows, in words; displays itself, with its caption.

    The figure is opaque white (legible on light and dark pages) and never touches ``pyplot``, so nothing is shown
    twice.
    """

    caption: str | None

    def __new__(cls, figure: Figure, alt: str, caption: str | None = None):
        if not isinstance(figure, Figure):
            raise TypeError(f"figure: got {type(figure).__name__}; needs a matplotlib Figure")
        if not isinstance(alt, str) or len(alt.split()) < 3:
            raise ValueError(f"alt text: got {alt!r}; say in a sentence what the figure shows and what follows from it")
        plot = super().__new__(cls, figure, alt)
        plot.caption = caption
        return plot

    def captioned(self, caption: str) -> "Plot":
        """The same figure with another caption."""
        return Plot(self.figure, self.alt, caption)

    def png(self, colors: int = 256) -> bytes:
        """The picture as PNG; a palette of `colors` where the eye cannot tell, full color otherwise."""
        return encode(self.pixels(), colors)

    @styled
    def pixels(self) -> np.ndarray:
        """The drawn figure, (height, width, 3) uint8."""
        canvas = FigureCanvasAgg(self.figure)
        self.figure.set_dpi(DPI)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def html(self) -> str:
        """A ``<figure>`` with the picture inside it: no other file, no script."""
        pixels = self.pixels()
        height, width = (round(side * CSS_DPI / DPI) for side in pixels.shape[:2])
        caption = f"<figcaption style='color:inherit'>{html.escape(self.caption, quote=False)}</figcaption>" if self.caption else ""
        return (
            f'<figure class="wb-figure" style="margin:0"><img src="{data_uri(encode(pixels))}" '
            f'alt="{html.escape(self.alt)}" '
            f'width="{width}" height="{height}" style="max-width:100%;height:auto;background:#fff">{caption}</figure>'
        )

    def save(self, path: str | Path) -> Path:
        """Write the figure to `path`; the ending says how (png, pdf, svg)."""
        path = Path(path)
        if path.suffix == ".png":
            path.write_bytes(self.png())
        else:
            styled(self.figure.savefig)(path, facecolor="white")
        return path

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.alt}

    def __repr__(self) -> str:
        return f"Plot({self.alt!r})"


def encode(pixels: np.ndarray, colors: int = 256, tolerance: float = 2.0) -> bytes:
    """PNG bytes of (height, width, 3) uint8: a palette when its root-mean-square error stays below `tolerance` of 255 levels."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    small = picture.quantize(colors, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    error = np.asarray(small.convert("RGB"), dtype=np.float32) - pixels
    chosen = small if float((error**2).mean()) ** 0.5 < tolerance else picture
    buffer = io.BytesIO()
    chosen.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(content: bytes, mime: str = "image/png") -> str:
    """The content as a ``data:`` address."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def canvas(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] = SIZE,
    title: str | None = None,
    share: bool = False,
    square: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure with its own layout engine and a flat list of axes, rows first."""
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)
    axes = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False).ravel().tolist()
    for axis in axes:
        if square:
            axis.set_aspect("equal")
    if title:
        figure.suptitle(title, fontsize=11)
    return figure, axes


def planes(count: int, *, most: int, least: float, title: str | None, gap: float = 0.35) -> tuple[Figure, list[Axes], int]:
    """A grid of square panels that share their axes, one for each of ``count`` things, and its number of columns.

    At most ``most`` panels stand side by side; the figure is at least ``least`` inches wide; ``gap`` is each row's room for a title.
    """
    columns = min(count, most)
    rows = -(-count // columns)
    side = 6.4 / max(columns, 2)
    size = (max(side * columns, least), (side + gap) * rows)
    return *canvas(rows, columns, size=size, title=title, share=True, square=True), columns


def legend(figure: Figure, axis: Axes, *, below: bool = False) -> None:
    """The legend outside the data: right of it, or below it."""
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        columns = min(len(handles), 4) if below else 1
        figure.legend(
            handles, labels, loc="outside lower center" if below else "outside right upper", ncols=columns, handlelength=4.2
        )
