"""The two notebooks made of a chapter: the student's, with tasks, and the teacher's, with solutions and points."""

import copy

from book._course.chapter import Chapter, Exercise, pieces, source
from book._course.rule import parts, points

MARK = "# answer: "
WORDS = "**Your answer** ({label}):\n\n*(write here)*"


def worth(exercise: Exercise) -> str:
    """ " (2 points)", or nothing for an exercise that a person reads."""
    total = sum(points(exercise).values())
    return f" ({total:g} point{'' if total == 1 else 's'})" if total else ""


def student(chapter: Chapter) -> dict:
    """The chapter without solutions: words and code cells to fill in, with the checks that belong to them.

    Cells tagged ``teacher`` are left out.
    """
    by_label, cells, inside = {e.label: e for e in chapter.exercises}, [], None
    for cell in chapter.notebook["cells"]:
        if "teacher" in cell["metadata"].get("tags", []):
            continue
        if cell["cell_type"] != "markdown":
            cells += [] if inside else [copy.deepcopy(cell)]
            continue
        kept: list[str] = []
        made: list[dict] = []

        def flush(kept=kept, made=made, cell=cell) -> None:
            if text := "\n".join(kept).strip("\n"):
                made.append({**copy.deepcopy(cell), "source": text, "id": f"{cell['id']}-{len(made)}" if made else cell["id"]})
            kept.clear()

        for part, argument, text in pieces(source(cell)):
            if part in ("solution", "solution-start"):
                flush()
                inside = argument if part == "solution-start" else None
                made += _task(by_label[argument])
            elif part == "solution-end":
                inside = None
            elif not inside:
                kept.append(_titled(text, argument, by_label) if part in ("exercise", "exercise-start") else text)
        flush()
        cells += made
    return {**chapter.notebook, "cells": cells}


def teacher(chapter: Chapter) -> dict:
    """The chapter as it is, with points in the titles of its exercises."""
    by_label, notebook = {e.label: e for e in chapter.exercises}, copy.deepcopy(chapter.notebook)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            found = pieces(source(cell))
            cell["source"] = "\n".join(
                _titled(text, a, by_label) if p.startswith("exercise") and a else text for p, a, text in found
            )
    return notebook


def _titled(text: str, title: str, by_label: dict[str, Exercise]) -> str:
    exercise = next(e for e in by_label.values() if e.title == title and f":label: {e.label}\n" in text)
    first, *rest = text.split("\n")
    return "\n".join([first.rstrip() + worth(exercise), *rest])


def _task(exercise: Exercise) -> list[dict]:
    """The cells to fill in: one for words, or tasks and checks in the order of the solution."""
    if not exercise.coding:
        text = WORDS.format(label=exercise.label)
        return [{"cell_type": "markdown", "id": f"{exercise.label[:50]}-words", "metadata": {}, "source": text}]
    cells = []
    for k, part in enumerate(parts(exercise)):
        text = f"{MARK}{exercise.label}\n{part.stub.strip(chr(10))}" if part.answer else part.text.strip("\n")
        metadata = {"tags": ["answer"]} if part.answer else {}
        name = f"{exercise.label[:50]}-{'answer' if part.answer else 'given'}-{k}"
        cells.append(
            {"cell_type": "code", "execution_count": None, "id": name, "metadata": metadata, "outputs": [], "source": text}
        )
    return cells
