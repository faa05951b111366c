"""Numbers the text may rely on: asserted, printed, and handed to the prose, so that words and run cannot disagree.

A number is *run* (``claim``: by this very execution), *recorded* (``recorded``: by a named command, earlier) or
*quoted* (``quoted``: from a paper). Each writes a glue record through IPython alone, which the page reads as
``{glue:text}`name:.3f```. In plain Python the line is printed, and the assertion is the same.
"""

import html
import math
import re
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import SupportsFloat

from workbench.cite import bibliography
from workbench.notebook import line, shell, static

NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*")
PREFIX = "application/papermill.record/"

_places: dict[str, tuple] = {}


class Number(float):
    """A float that a notebook does not show a second time when the call is the last line of a cell."""

    def _ipython_display_(self) -> None:
        """Already shown."""


def claim(
    name: str,
    value: object,
    expect: SupportsFloat | None = None,
    tol: SupportsFloat | None = None,
    *,
    rel: SupportsFloat | None = None,
    at_most: SupportsFloat | None = None,
    at_least: SupportsFloat | None = None,
) -> float:
    """Assert a number of this run, show it in one line, and let the text quote it under `name`.

    The claim holds when ``|value - expect| <= tol``, or ``<= rel * |expect|``, or when the value is within ``at_most``
    and/or ``at_least`` (inclusive). NaN never holds.

    Args:
        name: lower-case words joined by ``-``, ``_`` or ``.``, such as ``ddim-order``; one name, one number in a notebook.
        value: a number, or a tensor with one element.

    Returns the value as float. Raises AssertionError when the claim fails, ValueError for a bad or repeated name or an
    unclear expectation.

        >>> claim("halves", 0.5, 0.5, tol=0)
        run: halves = 0.5 (expected 0.5 ± 0)
        0.5
    """
    number = _number(name, value)
    holds, wanted = _expectation(name, number, expect, tol, rel, at_most, at_least)
    _register(name)
    if not holds:
        del _places[name]
        raise AssertionError(f"claim {name!r} does not hold: value {number!r}, {wanted}")
    limits = {"expect": expect, "tol": tol, "rel": rel, "at_most": at_most, "at_least": at_least}
    return _show(name, number, "run", wanted, {key: float(v) for key, v in limits.items() if v is not None})


def recorded(name: str, value: object, *, artifact: str) -> float:
    """Show a number measured earlier by a named command, with where it is kept.

    Args:
        name: as for :func:`claim`.
        value: a number, or a tensor with one element.
        artifact: a name that ``wb.artifacts.available()`` lists, or the path of a file from the package or the repository,
            such as ``benchmarks/results/overhead.json``.

    Returns:
        the value as float.

    Raises:
        TypeError: for a value that is not one number.
        ValueError: for a bad or repeated name, or an artifact that is neither listed nor a file there.
    """
    number = _number(name, value)
    if not isinstance(artifact, str) or not artifact.strip():
        raise ValueError(
            f"{name}: artifact is {artifact!r}; say where the recorded number is kept, such as 'benchmarks/results/overhead.json'"
        )
    _check_artifact(name, artifact)
    _register(name)
    return _show(name, number, "recorded", f"recorded in {artifact}", {"artifact": artifact})


def quoted(name: str, value: object, *, source: str) -> float:
    """Show a number that a paper reports, with the bib key it comes from.

    Args:
        name: as for :func:`claim`.
        value: a number, or a tensor with one element.
        source: a key of ``workbench/references.bib``.

    Returns:
        the value as float.

    Raises:
        TypeError: for a value that is not one number.
        ValueError: for a bad or repeated name, or a source that the bibliography lacks.
    """
    number = _number(name, value)
    if not isinstance(source, str) or not re.fullmatch(r"[A-Za-z][\w:.-]*", source):
        raise ValueError(f"{name}: source is {source!r}; give the bib key of the paper, such as 'karras2022edm'")
    if source not in (known := bibliography()):
        near = get_close_matches(source, known, 1)
        hint = f"perhaps {near[0]!r} is meant, or " if near else ""
        raise ValueError(f"{name}: source {source!r} is not in workbench/references.bib; {hint}add the entry there")
    _register(name)
    return _show(name, number, "quoted", f"quoted from {source}", {"source": source})


def _check_artifact(name: str, artifact: str) -> None:
    """Raise ValueError unless ``artifact`` is a shipped one, or a file inside the package or beside it."""
    from workbench.artifacts import available

    shipped, package = available(), Path(__file__).resolve().parent
    if artifact in shipped or _file_in(package, artifact) or _file_in(package.parent, artifact):
        return
    raise ValueError(
        f"{name}: artifact {artifact!r} is none of {', '.join(shipped)}, and no file of the package or the repository; "
        "correct it, or run the command that writes that file first"
    )


def _file_in(folder: Path, path: str) -> bool:
    found = (folder / path).resolve()
    return not Path(path).is_absolute() and found.is_relative_to(folder) and found.is_file()


def _number(name: str, value: object) -> float:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"claim name: got {name!r}; needs lower-case words joined by - or _ or ., such as 'ddim-order'")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{name}: got {type(value).__name__}; needs one number, so reduce it first (for example .mean())"
        ) from error


def _expectation(name: str, value: float, expect, tol, rel, at_most, at_least) -> tuple[bool, str]:
    two_sided = expect is not None
    one_sided = at_most is not None or at_least is not None
    if (
        two_sided == one_sided
        or (two_sided and (tol is None) == (rel is None))
        or (one_sided and (tol is not None or rel is not None))
    ):
        raise ValueError(f"{name}: say what is expected: (expect, tol), or expect with rel=, or at_most= and/or at_least=")
    if two_sided:
        width = float(tol) if tol is not None else float(rel) * abs(float(expect))
        if not width >= 0:
            raise ValueError(f"{name}: the tolerance is {width!r}; needs a number of at least 0")
        return abs(value - float(expect)) <= width, f"expected {float(expect):.6g} ± {width:.3g}"
    low, high = (-math.inf if at_least is None else float(at_least)), (math.inf if at_most is None else float(at_most))
    if not low <= high:
        raise ValueError(f"{name}: at_least {low!r} is above at_most {high!r}; no number can satisfy both")
    words = [f"at least {low:.6g}"] * (at_least is not None) + [f"at most {high:.6g}"] * (at_most is not None)
    return low <= value <= high, f"expected {' and '.join(words)}"


def _register(name: str) -> None:
    """Refuse a name used twice, except when somebody runs (or edits and runs) a cell again in a live kernel."""
    live = shell()
    frame = sys._getframe(2)
    place = (frame.f_code.co_filename, frame.f_lineno)
    run = live.execution_count if live is not None else None
    before = _places.get(name)
    if before is not None and (live is None or static() or before[1] == run):
        raise ValueError(
            f"claim name {name!r} was used before, at {before[0][0]}:{before[0][1]}; one name stands for one number, choose another"
        )
    _places[name] = (place, run)


def _show(name: str, value: float, kind: str, why: str, more: dict) -> Number:
    words = f"{kind}: {name} = {value:.6g} ({why})"
    if shell() is None:
        print(words)
        return Number(value)
    from IPython.display import display

    mark = {"run": "&#10003;", "recorded": "&#9679;", "quoted": "&#8220;&#8221;"}[kind]
    color = {"run": "#117733", "recorded": "#8A6D00", "quoted": "#5B6770"}[kind]
    edge = {"run": "solid", "recorded": "dashed", "quoted": "dotted"}[kind]
    body = line(
        f"wb-claim-{kind}",
        f"{edge} {color}",
        f'<span aria-hidden="true">{mark}</span> <strong>{kind}</strong> <span '
        f'style="font-family:monospace">{name}</span> = <b>{value:.6g}</b> <small>({html.escape(why)})</small>',
        anchor=f"number-{name}",
    )
    display({"text/html": body, "text/plain": words}, raw=True)
    record = {"scrapbook": {"name": name, "mime_prefix": PREFIX}, "workbench": {"kind": kind, **more}}
    display({f"{PREFIX}text/plain": repr(float(value))}, raw=True, metadata=record)
    return Number(value)
