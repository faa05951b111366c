"""Prove that a task and its solution are the same text but for what the reader is to write.

The proof looks at the finished texts only, not at how they were made, so a mistake in :mod:`book._course.stub` cannot hide.
"""

import ast
import re

from book._course.chapter import Exercise
from book._course.names import DEFINITIONS, FUNCTIONS
from book._course.rule import parts, points, wanted


class Disagreement(ValueError):
    """A task that differs from its solution in more than the removed lines."""


def prove(exercise: Exercise) -> None:
    """Raise :class:`Disagreement` unless all of this holds for the coding exercise:

    1. answer and given parts, joined, are the solution's cells, line for line;
    2. a task without its ``raise`` lines is what remains of the solution when lines are deleted, in the same order;
    3. both define the same names with the same signatures, decorators, docstrings and class attributes;
    4. every ``raise`` names the exercise, and every function but ``__init__`` consists of one;
    5. something is removed, and at least one check depends on it.
    """

    def need(holds: bool, what: str) -> None:
        if not holds:
            raise Disagreement(f"{exercise.chapter}: {exercise.label}: {what}")

    found = parts(exercise)
    for k, source in enumerate(exercise.sources):
        need("\n".join(part.text for part in found if part.cell == k) == source, f"cell {k} of the solution is cut, not divided")
    marker = re.compile(rf'\s*raise NotImplementedError\("{re.escape(exercise.label)}: .+"\)')
    mine = [part for part in found if part.answer]
    need(bool(mine), "nothing is removed")
    for part in mine:
        kept = [line for line in part.stub.split("\n") if not marker.fullmatch(line)]
        need(len(kept) < len(part.stub.split("\n")), "the task has no line that says what to write")
        rest = iter(part.text.split("\n"))
        need(all(line in rest for line in kept), "the task has a line that the solution has not")
        task, solution = ast.parse(part.stub).body, ast.parse(part.text).body
        need(skeleton(task) == skeleton(solution), "task and solution define different names, signatures or attributes")
        need(all(_open(node) for node in task), "a part of the answer is left in the task")
    need(bool(wanted(exercise)), "no check reads a name that the answer defines")
    need(sum(points(exercise).values()) > 0, "no check depends on the answer, so an empty one would pass")


def skeleton(body: list[ast.stmt]) -> list:
    """What a caller can see of definitions: names, decorators, bases, arguments, docstrings and class attributes."""
    seen = []
    for node in body:
        if not isinstance(node, DEFINITIONS):
            continue
        row = [node.name, [ast.unparse(d) for d in node.decorator_list], ast.get_docstring(node)]
        if isinstance(node, FUNCTIONS):
            row += [ast.unparse(node.args), node.returns and ast.unparse(node.returns)]
            row += [[ast.unparse(line) for line in node.body]] if node.name == "__init__" else []
        else:
            row += [[ast.unparse(base) for base in node.bases], skeleton(node.body)]
            if any(isinstance(part, FUNCTIONS) for part in node.body):
                row += [[ast.unparse(part) for part in node.body if isinstance(part, (ast.Assign, ast.AnnAssign))]]
        seen.append(row)
    return seen


def _open(node: ast.stmt) -> bool:
    """Whether nothing of the answer is left in a statement of the task."""
    if isinstance(node, ast.ClassDef) and any(isinstance(part, FUNCTIONS) for part in node.body):
        return all(_open(part) for part in node.body if isinstance(part, FUNCTIONS) and part.name != "__init__")
    if isinstance(node, DEFINITIONS):
        return all(isinstance(part, ast.Raise) for part in node.body[ast.get_docstring(node) is not None :])
    return isinstance(node, (ast.Raise, ast.Import, ast.ImportFrom))
