"""The directives ``{syllabus}`` and ``{tour}``: orders of reading, made from the chapters' own metadata.

{syllabus} 7     a course of 7 weeks: the chapters of the levels named, in reading order, cut into weeks of equal reading
{tour} a b c     all that leads to these chapters, and the chapters themselves
"""

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from executed import Chapter, chapters
from reading_order import closed, minutes, weeks
from writing import Page


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
        levels = self.options.get("levels", "opening core").split()
        book = chapters(Path(self.env.srcdir))
        reading = closed(book, {chapter.name for chapter in book if chapter.book["level"] in levels})
        plan = weeks(reading, int(self.arguments[0]))
        rows = [(str(k), self._chapters(part), self._goals(part), f"{minutes(part)} min") for k, part in enumerate(plan, 1)]
        total = self.paragraph(f"{len(reading)} chapters, {minutes(reading) / 60:.0f} hours of reading without the exercises.")
        return [self.table(("Week", "Chapters", "Afterwards students can", "Reading"), rows, ("wb-data", "wb-plan")), total]

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
