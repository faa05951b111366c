"""Sliders over precomputed frames: interaction that needs no kernel, no network and no widget library.

The same HTML works in JupyterLab, in Colab and on a static page, with mouse and keyboard. Without JavaScript the first
frame is shown alone.
"""

import hashlib
import html
import io
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.plots._arrays import Values, array, name_of
from workbench.plots._player_page import SCRIPT, STYLE
from workbench.plots._readings import Readings, bars, checked, spoken
from workbench.plots.pictures import _words, pixels
from workbench.plots.plot import Plot, data_uri, encode
from workbench.plots.style import CSS_DPI, DPI

BUDGET = 450_000
"""Bytes of pictures (before base64) above which frames are compressed with loss: about 600 KB in the page."""

_shown: Counter[str] = Counter()


@dataclass(frozen=True)
class Player:
    """Frames in C order over the axes (the last axis changes fastest); shows itself. Made by ``player``."""

    images: tuple[tuple[str, bytes], ...]
    alts: tuple[str, ...]
    axes: Mapping[str, tuple[str, ...]]
    size: tuple[int, int]
    pixelated: bool = False
    play: bool = False
    caption: str | None = None
    readings: Mapping[str, tuple[tuple[float, str], ...]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all pictures together, before base64."""
        return sum(len(content) for _, content in self.images)

    def html(self) -> str:
        """One ``<figure class="wb-player">``; its id comes from the content and from how often it has been shown."""
        digest = hashlib.sha256(repr((self.alts, dict(self.axes))).encode())
        for _, content in self.images:
            digest.update(content)
        key = "wb-" + digest.hexdigest()[:10]
        _shown[key] += 1
        name = key if _shown[key] == 1 else f"{key}-{_shown[key]}"
        uris = [data_uri(content, mime) for mime, content in self.images]
        data = {"labels": list(self.axes.values()), "alts": self.alts, "frames": [None, *uris[1:]]}
        data |= {"readings": list(self.readings.values())} if self.readings else {}
        width, height = self.size
        smooth = "image-rendering:pixelated;" if self.pixelated else ""
        controls = "".join(_slider(name, k, axis, labels) for k, (axis, labels) in enumerate(self.axes.items()))
        play = '<button type="button" class="wb-play" aria-pressed="false">Play</button>' if self.play else ""
        caption = f"<figcaption style='color:inherit'>{html.escape(self.caption, quote=False)}</figcaption>" if self.caption else ""
        return (
            f'<figure class="wb-player" id="{name}" style="margin:0">{STYLE}'
            f'<img src="{uris[0]}" alt="{html.escape(self.alts[0])}" width="{width}" height="{height}" '
            f'style="{smooth}max-width:100%;height:auto;background:#fff">{bars(self.readings)}'
            f'<div class="wb-controls" hidden>{controls}{play}</div>'
            f'<output class="wb-status" aria-live="polite"></output>{caption}'
            f"<script "
            f'type="application/json">{json.dumps(data, ensure_ascii=True).replace("<", chr(92) + "u003c")}</script>'
            f"<script>{SCRIPT.replace('PLAYER_ID', json.dumps(name))}</script></figure>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        axes = ", ".join(f"{axis} in [{', '.join(labels)}]" for axis, labels in self.axes.items())
        return f"Player of {len(self.images)} frames over {axes}. First frame: {self.alts[0]}"


def player(
    frames: Sequence[Plot] | Callable[..., Plot],
    axes: Mapping[str, Sequence[object]],
    *,
    alt: str | Sequence[str] | None = None,
    caption: str | None = None,
    play: bool = False,
) -> Player:
    """Sliders, one for each entry of `axes`, over figures computed now.

    Args:
        frames: one ``Plot`` for each combination, in C order over `axes` (the last changes fastest); or a function that
            is called with one value from each axis, in order, and returns the ``Plot``.
        axes: name -> values, such as ``{"steps": [5, 10, 20], "solver": ["DDIM", "UniPC"]}``.
        alt: a sentence before each frame's own alt text, or one full alt text for each frame.
        play: also offer a play button, which walks along the last axis (not shown to readers who ask for less motion).

    Raises ValueError when the number of frames does not fit the axes or frames differ in size. Fix the limits of all
    frames (``extent=...``), or the eye compares scales and not results.
    """
    labels = _labels(axes)
    if callable(frames):
        drawn = itertools.starmap(frames, itertools.product(*axes.values()))  # one by one: figures are large
    else:
        drawn = list(frames)
    own, sheets = [], []
    for frame in drawn:
        if not isinstance(frame, Plot):
            raise TypeError(
                f"frames: got {type(frame).__name__}; each frame is a Plot, which every function of workbench.plots returns"
            )
        own.append(frame.alt)
        sheets.append(frame.pixels())
    _count(len(sheets), labels)
    alts = _alts(own, labels, alt)
    height, width = _one_size(sheets)
    size = (round(width * CSS_DPI / DPI), round(height * CSS_DPI / DPI))
    return Player(_encode(sheets), alts, labels, size, play=play, caption=caption)


def image_player(
    frames: Sequence[Values] | Callable[..., Values],
    axes: Mapping[str, Sequence[object]],
    *,
    columns: int | None = None,
    zoom: int = 4,
    alt: str | Sequence[str] | None = None,
    caption: str | None = None,
    play: bool = False,
    readings: Readings | None = None,
) -> Player:
    """`player` for batches of small pictures (n, 3 or 1, h, w) in [-1, 1]: single pixels, enlarged by the browser `zoom` times.

    When all frames together weigh more than ``BUDGET``, each keeps its 128 best colors: sharp pixels, rounded colors.
    `readings` draws one bar for each of its names under the picture, such as a price: (length from 0 to 1, words) for each frame.

    Raises:
        TypeError: for values that are not numbers.
        ValueError: for no axes, a number of frames that does not fit them, frames of different sizes, pictures that are not finite
            (n, 3 or 1, h, w), readings that are not finite or not one for each frame, or a zoom below 1.
    """
    labels = _labels(axes)
    if callable(frames):
        frames = [frames(*values) for values in itertools.product(*axes.values())]
    if isinstance(zoom, bool) or zoom < 1:
        raise ValueError(f"zoom: got {zoom!r}; needs at least 1")
    batches = list(frames)
    _count(len(batches), labels)
    shown = checked(readings, len(batches))
    sheets = [pixels(batch, columns) for batch in batches]
    height, width = _one_size(sheets)
    own = [_words(_rows(array(batch, "pictures"), columns), False, None) + spoken(shown, k) for k, batch in enumerate(batches)]
    contents = tuple(("image/png", encode(sheet)) for sheet in sheets)
    size = (width * zoom, height * zoom)
    return Player(_lighter(contents, sheets), _alts(own, labels, alt), labels, size, True, play, caption, shown)


def _rows(batch: np.ndarray, columns: int | None) -> dict[str, np.ndarray]:
    columns = columns or math.ceil(math.sqrt(len(batch)))
    return {str(k): batch[k : k + columns] for k in range(0, len(batch), columns)}


def _labels(axes: Mapping[str, Sequence[object]]) -> dict[str, tuple[str, ...]]:
    if not isinstance(axes, Mapping) or not axes or not all(len(values) for values in axes.values()):
        raise ValueError(f"axes: got {axes!r}; needs at least one name with its values, such as {{'steps': [5, 10, 20]}}")
    return {
        name_of(axis): tuple(name_of(value) if not isinstance(value, float) else f"{value:g}" for value in values)
        for axis, values in axes.items()
    }


def _count(found: int, labels: Mapping[str, tuple[str, ...]]) -> None:
    needed = int(np.prod([len(values) for values in labels.values()]))
    if found != needed:
        raise ValueError(
            f"frames: got {found}; axes of {' x '.join(str(len(v)) for v in labels.values())} values need {needed}, "
            "the last axis changing fastest"
        )


def _alts(own: list[str], labels: Mapping[str, tuple[str, ...]], alt: str | Sequence[str] | None) -> tuple[str, ...]:
    if alt is not None and not isinstance(alt, str):
        if len(alt) != len(own):
            raise ValueError(f"alt: got {len(alt)} texts for {len(own)} frames; give one for each, or one sentence for all")
        return tuple(alt)
    where = [
        ", ".join(f"{axis} {value}" for axis, value in zip(labels, values, strict=True))
        for values in itertools.product(*labels.values())
    ]
    lead = f"{alt.rstrip('. ')}. " if alt else ""
    return tuple(f"{lead}{place}: {text}" for place, text in zip(where, own, strict=True))


def _one_size(sheets: list[np.ndarray]) -> tuple[int, int]:
    sizes = {sheet.shape[:2] for sheet in sheets}
    if len(sizes) != 1:
        raise ValueError(
            f"frames: got pictures of {len(sizes)} different sizes {sorted(sizes)}; draw all frames with the same panels and labels"
        )
    return sizes.pop()


def _encode(sheets: list[np.ndarray]) -> tuple[tuple[str, bytes], ...]:
    """PNG; when all frames together are too heavy, each as WebP where that is smaller."""
    contents = [("image/png", encode(sheet, 128)) for sheet in sheets]
    if sum(len(content) for _, content in contents) <= BUDGET:
        return tuple(contents)
    return tuple(min(kept, _webp(sheet), key=lambda pair: len(pair[1])) for kept, sheet in zip(contents, sheets, strict=True))


def _lighter(contents: tuple[tuple[str, bytes], ...], sheets: list[np.ndarray]) -> tuple[tuple[str, bytes], ...]:
    """The contents as they are when within ``BUDGET``; else 128 colors for each sheet."""
    if sum(len(content) for _, content in contents) <= BUDGET:
        return contents
    return tuple(("image/png", encode(sheet, 128, tolerance=256.0)) for sheet in sheets)


def _webp(sheet: np.ndarray) -> tuple[str, bytes]:
    from PIL import Image, features

    kind = "WEBP" if features.check("webp") else "JPEG"
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, kind, quality=82)
    return f"image/{kind.lower()}", buffer.getvalue()


def _slider(name: str, k: int, axis: str, labels: tuple[str, ...]) -> str:
    shown, key = html.escape(axis), f"{name}-{k}"
    first = html.escape(labels[0])
    return (
        f'<div class="wb-axis"><label for="{key}">{shown}</label>'
        f'<button type="button" data-axis="{k}" data-step="-1" aria-label="previous {shown}">&#8249;</button>'
        f'<input id="{key}" type="range" min="0" max="{len(labels) - 1}" value="0" step="1" '
        f'aria-valuetext="{first}" autocomplete="off">'
        f'<button type="button" data-axis="{k}" data-step="1" aria-label="next {shown}">&#8250;</button>'
        f'<span class="wb-value" aria-hidden="true">{first}</span></div>'
    )
