"""The outcome of a check."""

import html
from dataclasses import dataclass

from workbench.notebook import line


@dataclass(frozen=True)
class CheckResult:
    """One property, measured.

    Attributes:
        name: the check.
        passed: whether the property holds.
        message: what was measured, what was expected and, on failure, the usual cause.
        points: what the check is worth in a course.
    """

    name: str
    passed: bool
    message: str
    points: float | int = 1

    @property
    def earned(self) -> float | int:
        """The points if it passed, else 0."""
        return self.points if self.passed else 0

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'FAILED'}: {self.name}: {self.message}"

    def _repr_html_(self) -> str:
        color, word = ("#117733", "passed") if self.passed else ("#AA3311", "failed")
        inside = f"<strong>{word}</strong> <code>{html.escape(self.name)}</code>: {html.escape(self.message)}"
        return line("wb-check", f"solid {color}", inside)


class CheckFailed(AssertionError):
    """Raised by a check whose property does not hold; ``result`` is its :class:`CheckResult`."""

    def __init__(self, result: CheckResult) -> None:
        super().__init__(f"{result.name}: {result.message}")
        self.result = result


def conclude(name: str, problem: str | None, success: str, points: float | int, raises: bool) -> CheckResult:
    """The result: passed where ``problem`` is None, else failed (and raised, if ``raises``)."""
    result = CheckResult(name, problem is None, success if problem is None else problem, points)
    if raises and not result.passed:
        raise CheckFailed(result)
    return result
