"""Run one answer and its checks; this is what happens inside the confined process.

The answer is executed in a copy of the chapter's names.  Only what it was asked to define is taken over into names made afresh, and
there the chapter's own checks are run, one statement after the other.  At the end the same checks are given the empty task:
a check that now passes on nothing has been tampered with.
"""

import ast
import traceback
from types import ModuleType

from book._course.guard import Fingerprint
from book._course.program import OWN_SEED, SHOWN, Program

ANSWER = "<answer>"
LONGEST = 600


def examine(program: Program, answer: str, identifier: str, attempt: int | None) -> dict:
    """The verdict as plain data.

    Args:
        program: see :class:`~book._course.program.Program`.
        answer: the submitted code.
        identifier, attempt: which law to grade on; attempt None is the law of the book.

    Returns:
        ``checks`` (number of the statement, name, passed, message), ``error`` (what stopped the answer), ``changed`` (names of judges
        that were replaced) and ``empty`` (numbers of the checks that pass on the empty task).
    """
    names = _context(program, identifier, attempt)
    trusted = Fingerprint()
    error, changed = _run(answer, names, ANSWER), trusted.changed()
    verdict = {"checks": [], "error": error, "changed": changed, "empty": []}
    missing = [name for name in program.wanted if name not in names]
    if not error and missing:
        verdict["error"] = f"the answer does not define {' and '.join(missing)}"
    if verdict["error"] or changed:
        return verdict
    fresh = _context(program, identifier, attempt)
    verdict["checks"] = _checks(program, fresh, {name: names[name] for name in program.wanted})
    if any(check["passed"] for check in verdict["checks"]) and not _run(program.task, fresh, "<task>"):
        empty = {name: fresh[name] for name in program.wanted}
        again = _checks(program, _context(program, identifier, attempt), empty)
        verdict["empty"] = [check["statement"] for check in again if check["passed"]]
    verdict["changed"] = trusted.changed()
    return verdict


def _context(program: Program, identifier: str, attempt: int | None) -> dict:
    """The names of the chapter, made anew on laws made anew."""
    from book._course import own

    if attempt is not None:
        own.install(identifier, attempt)
    module = ModuleType("chapter")
    names = vars(module)
    names[OWN_SEED] = (lambda k: k) if attempt is None else lambda k: own.seed_of(identifier, attempt, k)
    exec(compile(program.context, "<chapter>", "exec"), names)
    return names


def _checks(program: Program, names: dict, answer: dict) -> list[dict]:
    """Every statement of the given parts in turn; those that are worth points are reported."""
    from workbench.claim import _places

    names |= answer
    found, broken = [], ""
    for k, text in enumerate(program.given):
        if k not in program.worth and (SHOWN.match(text) or text.startswith("assert ")):
            continue  # it shows something, or checks what does not depend on the answer
        _places.clear()
        problem, result = _statement(text, names)
        if k in program.worth:
            name, message = _named(text, result, problem or "", broken)
            found.append({"statement": k, "name": name, "passed": not problem, "message": message[:LONGEST]})
        elif problem and not broken:
            broken = problem
    return found


def _statement(text: str, names: dict) -> tuple[str, object]:
    """Run one statement: what went wrong, or nothing; and its value, if it is an expression."""
    from workbench.checks import CheckFailed

    try:
        try:
            code = compile(text, "<check>", "eval")
        except SyntaxError:
            exec(compile(text, "<check>", "exec"), names)
            return "", None
        return "", eval(code, names)
    except CheckFailed as error:
        return error.result.message, error.result
    except BaseException as error:
        return describe(error) or "the check does not hold", None


def _named(text: str, result: object, problem: str, broken: str) -> tuple[str, str]:
    """How a report calls a check, and what it says."""
    called = [ast.unparse(n.func) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]
    name = next((c for c in called if c.startswith(("wb.checks.", "wb.claim", "wb.recorded"))), "assert")
    message = getattr(result, "message", "") or ("holds" if not problem else "")
    if problem and broken and "is not defined" in problem:
        return name, f"not reached: {broken}"
    return name, problem or message


def _run(text: str, names: dict, where: str) -> str:
    """Execute; what stopped it in words, or nothing."""
    try:
        exec(compile(text, where, "exec"), names)
    except BaseException as error:
        return describe(error)
    return ""


def describe(error: BaseException) -> str:
    """An exception in one line, with the line of the answer that raised it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == ANSWER]
    if isinstance(error, SyntaxError):
        lines = [error.lineno or 0]
    place = f" (line {lines[-1]} of the answer)" if lines else ""
    text = (error.msg if isinstance(error, SyntaxError) else str(error)).strip().split("\n")[0]
    return f"{type(error).__name__}{': ' + text if text else ''}{place}"[:LONGEST]
