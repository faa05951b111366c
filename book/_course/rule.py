"""The rule that turns a solution into a task, which is all an instructor has to know to read or write one.

In the code of a solution

1. **a check** is an ``assert`` or a statement that calls ``wb.checks``, ``wb.claim`` or ``wb.recorded``: always kept;
2. if the solution defines functions or classes, **they are the answer**, and everything else is given;
3. otherwise the answer is **what stands before the first check**, imports aside.

Of an answer, the names, signatures, docstrings, class attributes and every ``__init__`` are kept.  The bodies of functions and
methods are removed; so are all statements of a class without methods, and all of an answer that defines nothing.  What is removed
is replaced by one line, ``raise NotImplementedError("<label>: what to write")``.
"""

import ast
import re
from dataclasses import dataclass

from book._course.chapter import Exercise
from book._course.names import DEFINITIONS, IMPORTS, defines, loads
from book._course.stub import stub

CHECKS = re.compile(r"\bwb\.(checks\.|claim\(|recorded\()")


@dataclass(frozen=True)
class Part:
    """A run of statements of one cell: the answer, or what is given (checks and what they need).

    Attributes:
        text: its lines in the solution.
        answer: whether it is the answer.
        stub: for an answer, its lines in the task.
        cell: the cell it is from, counted within the solution.
    """

    text: str
    answer: bool
    stub: str
    cell: int


def is_check(node: ast.stmt) -> bool:
    """Whether a statement (or one inside it) checks something."""
    return any(isinstance(part, ast.Assert) for part in ast.walk(node)) or bool(CHECKS.search(ast.unparse(node)))


def answers(exercise: Exercise) -> list[list[bool]]:
    """For each statement of each cell of a solution: does it belong to the answer?

    Raises:
        ValueError: for a solution without code, without a check, or whose first statement is a check already.
    """
    trees = [ast.parse(source).body for source in exercise.sources]
    flat = [node for tree in trees for node in tree]
    where = f"{exercise.chapter}: {exercise.label}"
    if not any(is_check(node) for node in flat if not isinstance(node, DEFINITIONS)):
        raise ValueError(f"{where}: the solution has no check; end it with a call of wb.checks, wb.claim or an assert")
    if any(isinstance(node, DEFINITIONS) for node in flat):
        return [[isinstance(node, DEFINITIONS) for node in tree] for tree in trees]
    first = next(k for k, node in enumerate(flat) if is_check(node))
    chosen = {id(node) for node in flat[:first] if not isinstance(node, IMPORTS)}
    if not chosen:
        raise ValueError(f"{where}: the solution begins with its check, so there is nothing to remove; define the answer before it")
    return [[id(node) in chosen for node in tree] for tree in trees]


def wanted(exercise: Exercise) -> list[str]:
    """The names that an answer has to define: its functions and classes, or what the given part reads."""
    flags, defined, read = answers(exercise), [], set()
    for source, flag in zip(exercise.sources, flags, strict=True):
        for node, mine in zip(ast.parse(source).body, flag, strict=True):
            if mine:
                defined += [name for name in sorted(defines(node)) if name not in defined]
            else:
                read |= loads(node)
    whole = any(isinstance(node, DEFINITIONS) for source in exercise.sources for node in ast.parse(source).body)
    return defined if whole else [name for name in defined if name in read]


def parts(exercise: Exercise) -> list[Part]:
    """The solution cut into answer and given parts; their texts, joined, are the solution line for line."""
    found = []
    for k, (source, flags) in enumerate(zip(exercise.sources, answers(exercise), strict=True)):
        lines, body, start = source.split("\n"), ast.parse(source).body, 0
        for i, node in enumerate(body):
            if i + 1 < len(body) and flags[i + 1] == flags[i]:
                continue
            end = node.end_lineno if i + 1 < len(body) else len(lines)
            text = "\n".join(lines[start:end])
            found.append(Part(text, flags[i], stub(text, exercise.label, wanted(exercise)) if flags[i] else text, k))
            start = end
    return found


def points(exercise: Exercise) -> dict[int, float]:
    """What each statement of the given parts is worth, by its number among them.

    A check that depends on the answer is worth its ``points=``, or 1; one that does not depend on it is worth nothing.
    """
    if not exercise.coding:
        return {}
    touched, worth, k = set(wanted(exercise)), {}, -1
    for part in parts(exercise):
        if part.answer:
            continue
        for node in ast.parse(part.text).body:
            k += 1
            if loads(node) & touched:
                touched |= defines(node, frozenset({"wb"}))
                if is_check(node):
                    worth[k] = _stated(node)
    return worth


def _stated(node: ast.stmt) -> float:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("wb.checks."):
            for word in call.keywords:
                if word.arg == "points" and isinstance(word.value, ast.Constant):
                    return word.value.value
    return 1
