"""Grade one answer: find a law that is fair, examine the answer on it in a confined process, and say what came out."""

import math
from dataclasses import asdict, dataclass, field

from book._course.chapter import Chapter, Exercise
from book._course.confine import Limits, Stranger
from book._course.examine import examine
from book._course.program import Program, program
from book._course.watch import Ending, watch

ATTEMPTS = (0, 1, 2, None)
REASONS = {
    "time": "it ran longer than {limits.seconds:g} s of processor time or {limits.clock:g} s in all",
    "memory": "it needed more than {limits.memory:g} MB of memory",
    "processes": "it tried to start other processes or threads",
    "ended": "it ended the process before the checks were done (exit, or a crash)",
    "forged": "it wrote a verdict of its own; the points are withheld",
    "tampered": "it changed what judges it; the points are withheld",
}


@dataclass(frozen=True)
class Result:
    """One exercise of one student.

    Attributes:
        status: "passed", "partly", "failed", "not attempted", "missing", "error" (it does not run), "ungradable" (the solution fails here), or a key of ``REASONS``.
        earned, points: what it is worth.
        message: why, in a sentence.
        checks: name, passed, message and points of each.
        output: the end of what it printed.
        law: which law it was graded on: "own" or "the book's".
    """

    label: str
    status: str
    earned: float
    points: float
    message: str = ""
    checks: list[dict] = field(default_factory=list)
    output: str = ""
    law: str = "own"

    def plain(self) -> dict:
        """As data that JSON can hold."""
        return asdict(self)


class Ungradable(RuntimeError):
    """An exercise whose own solution does not pass here."""


@dataclass
class Grader:
    """What all answers share.

    Attributes:
        limits, stranger: see :mod:`book._course.confine`.
        salt: goes into every seed, so that a new term has new laws.
    """

    limits: Limits
    stranger: Stranger | None = None
    salt: str = ""

    def law(self, task: Program, identifier: str) -> tuple[int | None, set[int]]:
        """The first law of the identifier on which the solution passes every check, and the checks that pass on nothing there.

        Draws may be unlucky, and some tolerances only hold on the book's own law, which is the last resort.
        """
        for attempt in ATTEMPTS:
            ending = watch(
                lambda attempt=attempt: examine(task, task.solution, self.salt + identifier, attempt), self.limits, self.stranger
            )
            checks = (ending.verdict or {}).get("checks", [])
            if checks and all(check["passed"] for check in checks):
                return attempt, set(ending.verdict["empty"])
        why = (ending.verdict or {}).get("error") or "; ".join(c["message"] for c in checks if not c["passed"]) or ending.reason
        raise Ungradable(f"the book's own solution of {task.label} does not pass here: {why}")

    def grade(self, chapter: Chapter, exercise: Exercise, identifier: str, answer: str | None) -> Result:
        """Grade ``answer``; None was not handed in."""
        task = program(chapter, exercise)
        total = sum(task.worth.values())
        if answer is None:
            return Result(exercise.label, "missing", 0, total, "no cell begins with # answer: " + exercise.label)
        if "".join(answer.split()) in ("", "".join(task.task.split())):
            return Result(exercise.label, "not attempted", 0, total, "the task is unchanged")
        try:
            attempt, idle = self.law(task, identifier)
        except Ungradable as error:
            hint = "give --seconds or --memory a larger value, or read it yourself"
            return Result(exercise.label, "ungradable", 0, total, f"{error}; {hint}")

        def work() -> dict:
            return examine(program(chapter, exercise, answer), answer, self.salt + identifier, attempt)

        ending = watch(work, self.limits, self.stranger)
        result = conclude(task, ending, idle, self.limits)
        return result if attempt is not None else Result(**{**result.plain(), "law": "the book's"})


def conclude(task: Program, ending: Ending, idle: set[int], limits: Limits) -> Result:
    """From how a run ended to points; whatever is not exactly as an honest run would be earns none."""
    total, verdict, reason = sum(task.worth.values()), ending.verdict or {}, ending.reason
    checks, error, changed = verdict.get("checks", []), verdict.get("error", ""), verdict.get("changed", [])
    detail = ""
    said = " ".join([error, *(check["message"] for check in checks)])
    if not reason and any(sign in said for sign in ("MemoryError", "can't allocate memory")):
        reason = "memory"
    elif not reason and any(sign in said for sign in ("BlockingIOError", "can't start new thread")):
        reason = "processes"
    elif not reason and changed:
        reason, detail = "tampered", ": " + ", ".join(changed[:5])
    elif not reason and set(verdict.get("empty", [])) - idle:
        reason, detail = "tampered", ": its checks also pass on the empty task"
    elif not reason and error.startswith(("SystemExit", "KeyboardInterrupt")):
        reason, detail = "ended", f": {error}"
    elif not reason and not error and {check["statement"] for check in checks} != set(task.worth):
        reason = "forged"
    if reason:
        return Result(task.label, reason, 0, total, REASONS[reason].format(limits=limits) + detail, output=ending.output)
    if error:
        status = "not attempted" if error.startswith("NotImplementedError") else "error"
        return Result(task.label, status, 0, total, error, output=ending.output)
    rows = [{**check, "points": task.worth[check["statement"]]} for check in checks]
    earned = math.fsum(row["points"] for row in rows if row["passed"])
    status = "passed" if all(row["passed"] for row in rows) else "partly" if earned else "failed"
    message = next((row["message"] for row in rows if not row["passed"]), "")
    return Result(task.label, status, earned, total, message, rows, ending.output)
