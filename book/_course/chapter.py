"""Read a chapter: which exercises it has, and what of it is their solutions.

An exercise is ``{exercise} Title`` (answered in words) or ``{exercise-start} Title`` ... ``{exercise-end}``; its solution is
``{solution} label`` or everything, code cells included, from ``{solution-start} label`` to ``{solution-end}``.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("Recall", "Derive", "Implement", "Explore")
BY_HAND = ("Recall", "Derive")
FENCE = re.compile(r"^(`{3,}|:{3,})\{(exercise|exercise-start|exercise-end|solution|solution-start|solution-end)\}[ \t]*(.*?)\s*$")


@dataclass(frozen=True)
class Exercise:
    """One exercise as the chapter states it.

    Attributes:
        label, title, kind: the title begins with its kind, such as "Implement: the jackknife".
        cells: the indices of the solution's code cells.
        sources: their text.
    """

    label: str
    title: str
    kind: str
    chapter: str
    cells: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def coding(self) -> bool:
        """Whether the answer is code, which is stripped and graded; otherwise it is words and formulas, read by a person."""
        return self.kind not in BY_HAND and bool(self.sources)


@dataclass
class Chapter:
    """A notebook with its exercises, in the order of the page."""

    name: str
    notebook: dict
    exercises: list[Exercise] = field(default_factory=list)


def source(cell: dict) -> str:
    """The text of a cell; notebooks may store it as one string or as lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def pieces(text: str) -> list[tuple[str, str, str]]:
    """A markdown cell as (part, argument, text), without losing a character: part is "text" or one of the directives of ``FENCE``.

    The text of ``exercise`` and ``solution`` reaches to the closing fence, that of the gates contains their own two fences.
    """
    found, plain, lines = [], [], text.split("\n")
    while lines:
        match = FENCE.match(lines[0])
        if not match:
            plain.append(lines.pop(0))
            continue
        if plain:
            found.append(("text", "", "\n".join(plain)))
            plain = []
        end = next((k for k, line in enumerate(lines[1:], 1) if line.rstrip() == match[1]), None)
        if end is None:
            raise ValueError(f"the directive {lines[0].strip()!r} is not closed by a line {match[1]}")
        found.append((match[2], match[3], "\n".join(lines[: end + 1])))
        lines = lines[end + 1 :]
    return found + ([("text", "", "\n".join(plain))] if plain else [])


def read(path: Path, name: str) -> Chapter:
    """The chapter at ``path``.

    Raises:
        ValueError: for a file that is no notebook, an exercise without a label or kind, a label used twice, or unclosed gates.
    """
    try:
        notebook = json.loads(path.read_text("utf8"))
        cells = notebook["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a notebook ({error}); give an .ipynb file in format 4") from error
    chapter, headings, code, inside = Chapter(name, notebook), {}, {}, None
    for k, cell in enumerate(cells):
        if cell["cell_type"] == "code" and inside:
            code.setdefault(inside, []).append(k)
        if cell["cell_type"] != "markdown":
            continue
        for part, argument, text in pieces(source(cell)):
            if part in ("exercise", "exercise-start"):
                label = re.search(r"^:label:\s*(\S+)", text, re.MULTILINE)
                kind = argument.partition(":")[0].strip()
                if not label or kind not in KINDS:
                    raise ValueError(
                        f"{name}: the exercise {argument!r} needs a :label: and a title that begins with one of {', '.join(KINDS)}"
                    )
                if label[1] in headings:
                    raise ValueError(f"{name}: two exercises are labeled {label[1]!r}; labels are unique")
                headings[label[1]] = (argument, kind)
            elif part == "solution-start":
                inside = argument
            elif part == "solution-end":
                inside = None
    if inside:
        raise ValueError(f"{name}: the solution of {inside!r} is not closed by {{solution-end}}")
    for label, (title, kind) in headings.items():
        own = tuple(code.get(label, ()))
        chapter.exercises.append(Exercise(label, title, kind, name, own, tuple(source(cells[k]) for k in own)))
    return chapter
