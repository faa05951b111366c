"""One look for the whole book: sizes, fonts, and one color, marker and line style for each method and schedule.

Every series differs from its neighbors by color *and* marker *and* line style, so that a figure survives a gray
printer and color-blind eyes.
"""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import matplotlib

SIZE = (6.4, 3.6)
DPI = 130
CSS_DPI = 100
PANELS = 4

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#AA4499"
WINE, OCHER, INDIGO, SLATE = "#882255", "#B07A00", "#332288", "#5B6770"
TEAL, OLIVE, ROSE, BROWN = "#117A8B", "#6B7A00", "#C2407A", "#7A4A21"
BLACK, GRAY, PALE = "#000000", "#8A8A8A", "#C9CED3"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, OCHER, INDIGO, ROSE, TEAL, WINE, OLIVE, BROWN, SLATE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (7, 2)))

RC = MappingProxyType(
    {
        "figure.figsize": SIZE,
        "figure.dpi": DPI,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "axes.facecolor": "white",
        "axes.edgecolor": "#444444",
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.labelsize": 10,
        "axes.titlesize": 10.5,
        "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
        "grid.color": "#E3E6E9",
        "grid.linewidth": 0.7,
        "font.family": ["DejaVu Sans"],
        "font.size": 10,
        "mathtext.fontset": "dejavusans",
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.8,
        "lines.markersize": 5.5,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "image.cmap": "cividis",
        "image.interpolation": "nearest",
    }
)


def styled(function: Callable) -> Callable:
    """Decorator: draw with the book's settings, and leave the reader's own untouched."""

    @functools.wraps(function)
    def drawn(*args, **kwargs):
        with matplotlib.rc_context(RC):
            return function(*args, **kwargs)

    return drawn


class Look(NamedTuple):
    """How one series is drawn."""

    color: str
    marker: str
    line: str | tuple

    def kwargs(self) -> dict:
        """The keyword arguments of ``Axes.plot``."""
        return {"color": self.color, "marker": self.marker, "linestyle": self.line}


METHODS: Mapping[str, Look] = MappingProxyType(
    {
        "exact": Look(BLACK, "None", "-"),
        "reference": Look(BLACK, "None", "-"),
        "truth": Look(BLACK, "None", "-"),
        "data": Look(SLATE, "s", "-"),
        "samples": Look(INDIGO, "o", "-"),
        "ddim": Look(BLUE, "o", "-"),
        "euler": Look(TEAL, "v", (0, (7, 2))),
        "ddpm": Look(VERMILLION, "s", "--"),
        "ancestral": Look(VERMILLION, "s", "--"),
        "heun": Look(GREEN, "^", "-"),
        "edm": Look(GREEN, "^", "-"),
        "midpoint": Look(OLIVE, "<", "-."),
        "rk4": Look(BROWN, "p", ":"),
        "rungekutta": Look(BROWN, "p", ":"),
        "adaptive": Look(BROWN, "h", "-."),
        "unipc": Look(PURPLE, "D", "-"),
        "unip": Look(OCHER, "d", "-."),
        "unified": Look(PURPLE, "*", "--"),
        "searched": Look(PURPLE, "*", "--"),
        "dcsolver": Look(TEAL, "X", "--"),
        "tabulated": Look(TEAL, "P", ":"),
        "dpmsolver": Look(OCHER, ">", "-."),
        "dpmsolverfast": Look(OCHER, "v", ":"),
        "dpmsolver12": Look(BROWN, "h", ":"),
        "dpmsolver23": Look(BROWN, "h", "-."),
        "dpmsolverpp": Look(OCHER, "P", "-"),
        "dpmsolverpp2m": Look(OCHER, "P", "-"),
        "dpmsolverpp3m": Look(OCHER, "X", "--"),
        "dpmsolverpp2s": Look(OCHER, "d", "-."),
        "dpmsolverpp3s": Look(OCHER, "*", ":"),
        "dpmsolverv3": Look(INDIGO, "X", "-"),
        "sdedpmsolverpp": Look(WINE, "P", "--"),
        "sasolver": Look(WINE, "h", "-."),
        "deis": Look(INDIGO, "h", "--"),
        "tdeis": Look(INDIGO, "h", "--"),
        "rhodeis": Look(INDIGO, "v", ":"),
        "lms": Look(SLATE, "<", "-."),
        "pndm": Look(ROSE, "X", "--"),
        "fpndm": Look(ROSE, "X", "--"),
        "spndm": Look(ROSE, "P", ":"),
        "ipndm": Look(ROSE, "*", "-."),
        "dualfast": Look(TEAL, "P", "-."),
        "timeshift": Look(GREEN, "D", "--"),
        "scalednoise": Look(OLIVE, "s", "-."),
        "ddcm": Look(VERMILLION, "v", ":"),
        "kutta3": Look(BROWN, ">", "--"),
        "heun3": Look(GREEN, "v", ":"),
        "ralston2": Look(OLIVE, "d", ":"),
        "ralston3": Look(BROWN, "d", "-."),
        "vanderhouwen3": Look(BROWN, "X", "-"),
        "ssprk3": Look(BROWN, "*", ":"),
        "richardson": Look(TEAL, "P", "-."),
        "gaussian": Look(SLATE, "s", (0, (5, 1, 1, 1, 1, 1))),
        "teleport": Look(SLATE, "*", "-"),
        "network": Look(ROSE, "o", "-"),
    }
)
SCHEDULES: Mapping[str, Look] = MappingProxyType(
    {
        "vp": Look(BLUE, "o", "-"),
        "cosine": Look(VERMILLION, "s", "--"),
        "ve": Look(GREEN, "^", "-."),
        "rectified": Look(PURPLE, "D", ":"),
        "discretevp": Look(INDIGO, "v", (0, (5, 1, 1, 1, 1, 1))),
    }
)
REGISTERED: Mapping[str, Look] = MappingProxyType({**METHODS, **SCHEDULES})
"""What any figure recognizes by name; no name is both a method and a schedule."""


def name_of(thing: object) -> str:
    """A label: a string as it is, an object by its ``name``, or its class with what is not default."""
    if isinstance(thing, str):
        return thing
    given = getattr(thing, "name", None)
    if isinstance(given, str):
        return given
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        own = [f for f in dataclasses.fields(thing) if f.repr and getattr(thing, f.name) != f.default]
        settings = ", ".join(f"{f.name}={getattr(thing, f.name)}" for f in own if _short(getattr(thing, f.name)))
        return f"{type(thing).__name__}({settings})" if settings else type(thing).__name__
    return type(thing).__name__ if repr(thing).startswith("<") else repr(thing).removesuffix("()")


def _short(value: object) -> bool:
    """Whether a setting is a word or a number, and not a table."""
    return isinstance(value, (bool, int, float, str))


def key_of(label: str) -> str:
    """Letters and digits in lower case, with ``++`` read as ``pp``: ``DPM-Solver++(2M)`` -> ``dpmsolverpp2m``."""
    return re.sub(r"[^a-z0-9]", "", label.lower().replace("++", "pp"))


def look(thing: object, known: Mapping[str, Look] = REGISTERED) -> Look | None:
    """The registered look of a method or schedule, or None for a plain label.

    Tried in turn: the whole label, its first word, and that without a number (``UniPC-3 on VP``, ``UniPC-3``,
    ``UniPC``). A solver or schedule *object* nobody registered gets a look from a hash of its class name: the same in
    every chapter.
    """
    label = name_of(thing)
    head = re.split(r"[\s(,:;]", label, maxsplit=1)[0]
    for words in (label, head, head.rstrip("-0123456789")):
        if key_of(words) in known:
            return known[key_of(words)]
    if isinstance(thing, str):
        return None
    seed = int.from_bytes(hashlib.sha256(type(thing).__name__.encode()).digest()[:8], "big")
    return Look(CYCLE[seed % len(CYCLE)], MARKERS[seed // 16 % len(MARKERS)], LINES[seed // 512 % len(LINES)])


def looks(things: Iterable[object], known: Mapping[str, Look] = REGISTERED) -> list[Look]:
    """One look for each series of a figure: registered ones first, the rest from the cycle.

    Series of one method are solid, dashed, ... in the order given, whatever line the method has when it is alone.
    """
    wanted = [look(thing, known) for thing in things]
    taken = {found.color for found in wanted if found}
    free = [number for number, color in enumerate(CYCLE) if color not in taken] or list(range(len(CYCLE)))
    result: list[Look] = []
    for place, found in enumerate(wanted):
        if found is None:
            number = free[sum(w is None for w in wanted[:place]) % len(free)]
            found = Look(CYCLE[number], MARKERS[number % len(MARKERS)], LINES[place % len(LINES)])
        elif wanted.count(found) > 1:
            found = found._replace(line=LINES[0])
        others = ((marker, line) for marker in (found.marker, *MARKERS) for line in LINES)
        while found in result:
            found = Look(found.color, *next(others))
        result.append(found)
    return result
