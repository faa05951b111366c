"""The directives ``{syllabus}`` and ``{tour}``: orders of reading, made from the chapters' own metadata.

{syllabus} 7     a course of 7 weeks: the chapters of the levels named, in reading order, cut into weeks of equal reading
{tour} a b c     all that leads to these chapters, and the chapters themselves
"""

from functools import cache
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from executed import Chapter, chapters
from writing import Page


def closed(book: tuple[Chapter, ...], goals: set[str]) -> list[Chapter]:
    """The chapters ``goals`` with all they build on, in reading order."""
    needs = {chapter.name: chapter.book["needs"] for chapter in book}
    if unknown := goals - set(needs):
        raise ValueError(f"no chapter {', '.join(sorted(unknown))}; there are {', '.join(needs)}")
    wanted, new = set(), set(goals)
    while new:
        wanted |= new
        new = {need for name in new for need in needs[name]} - wanted
    return [chapter for chapter in book if chapter.name in wanted]


def minutes(part: list[Chapter]) -> int:
    """Time to read."""
    return sum(chapter.book["read_min"] for chapter in part)


def weeks(reading: list[Chapter], count: int) -> list[list[Chapter]]:
    """``reading`` cut into ``count`` stretches, none empty, such that the sum of their squared minutes is least."""
    if not 1 <= count <= len(reading):
        raise ValueError(f"{len(reading)} chapters cannot fill {count} weeks")

    @cache
    def best(start: int, left: int) -> tuple[int, tuple[int, ...]]:
        if left == 1:
            return minutes(reading[start:]) ** 2, ()
        cuts = range(start + 1, len(reading) - left + 2)
        return min((minutes(reading[start:cut]) ** 2 + best(cut, left - 1)[0], (cut, *best(cut, left - 1)[1])) for cut in cuts)

    cuts = (0, *best(0, count)[1], len(reading))
    return [reading[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]


class Reading(Page):
    """What courses and tours share: a chapter as one line."""

    def entry(self, chapter: Chapter) -> list:
        """Title, minutes, exercises."""
        return [self.link(chapter.page, chapter.title), f" ({chapter.book['read_min']} min, {chapter.exercises()} exercises)"]


class Syllabus(Reading):
    """A table with a row for each week."""

    required_arguments = 1
    option_spec = {"levels": directives.unchanged_required}

    def run(self):
        levels = self.options.get("levels", "core").split()
        book = chapters(Path(self.env.srcdir))
        reading = closed(book, {chapter.name for chapter in book if chapter.book["level"] in levels})
        plan = weeks(reading, int(self.arguments[0]))
        rows = [(str(k), self._chapters(part), self._goals(part), f"{minutes(part)} min") for k, part in enumerate(plan, 1)]
        total = self.paragraph(f"{len(reading)} chapters, {minutes(reading) / 60:.0f} hours of reading without the exercises.")
        return [self.table(("Week", "Chapters", "Afterwards students can", "Reading"), rows, ("wb-plan",)), total]

    def _chapters(self, part: list[Chapter]) -> nodes.bullet_list:
        return nodes.bullet_list("", *(nodes.list_item("", self.paragraph(*self.entry(chapter))) for chapter in part))

    def _goals(self, part: list[Chapter]) -> nodes.bullet_list:
        return nodes.bullet_list("", *(nodes.list_item("", self.paragraph(goal)) for c in part for goal in c.book["goals"]))


class Tour(Reading):
    """A numbered list."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        reading = closed(chapters(Path(self.env.srcdir)), set(self.arguments[0].split()))
        lines = (nodes.list_item("", self.paragraph(*self.entry(chapter))) for chapter in reading)
        return [
            nodes.enumerated_list("", *lines, enumtype="arabic"),
            self.paragraph(f"{minutes(reading) / 60:.1f} hours of reading."),
        ]


def setup(app):
    app.add_directive("syllabus", Syllabus)
    app.add_directive("tour", Tour)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
