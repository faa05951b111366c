"""Bars under a player that follow its sliders: what the frame costs, how far it is off."""

import html
import math
from collections.abc import Mapping, Sequence

from workbench.plots._arrays import name_of

Readings = Mapping[str, Sequence[tuple[float, str]]]
"""name -> (length of the bar from 0 to 1, words beside it) for each frame."""


def checked(readings: Readings | None, frames: int) -> dict[str, tuple[tuple[float, str], ...]]:
    """The readings with their lengths within [0, 1]; a ValueError when they are not one for each frame."""
    found = {}
    for name, values in (readings or {}).items():
        rows = tuple((float(length), str(words)) for length, words in values)
        if len(rows) != frames:
            raise ValueError(f"readings {name_of(name)!r}: got {len(rows)} for {frames} frames; give (length, words) for each")
        if not all(math.isfinite(length) for length, _ in rows):
            raise ValueError(f"readings {name_of(name)!r}: a length is not finite; each is the part of the bar to fill, 0 to 1")
        found[name_of(name)] = tuple((min(max(length, 0.0), 1.0), words) for length, words in rows)
    return found


def spoken(readings: Mapping[str, Sequence[tuple[float, str]]], frame: int) -> str:
    """The readings of one frame as a sentence of its alt text."""
    return "".join(f" {name}: {rows[frame][1]}." for name, rows in readings.items())


def bars(readings: Mapping[str, Sequence[tuple[float, str]]]) -> str:
    """The HTML at the first frame; a reader of the screen hears the same from the picture's alt text."""
    rows = "".join(
        f'<div class="wb-reading"><span class="wb-reading-name">{html.escape(name)}</span>'
        f'<span class="wb-bar"><span style="width:{100 * values[0][0]:.1f}%"></span></span>'
        f'<span class="wb-reading-words">{html.escape(values[0][1])}</span></div>'
        for name, values in readings.items()
    )
    return f'<div class="wb-readings" aria-hidden="true">{rows}</div>' if rows else ""
