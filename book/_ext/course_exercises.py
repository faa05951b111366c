"""The directive ``{course-exercises}``: every exercise that ``make grade`` can grade, by chapter, with its points."""

import sys
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).resolve().parents[2]))

from executed import chapters

from book._course.chapter import read
from book._course.rule import points


def rows(paths: dict[str, Path]) -> list[str]:
    """One line of Markdown for each chapter with exercises, and a last one with the sums."""
    lines, words, total, count = [], 0, 0, 0
    for name, path in paths.items():
        exercises = read(path, name).exercises
        coding = {exercise.label: sum(points(exercise).values()) for exercise in exercises if exercise.coding}
        if exercises:
            graded = ", ".join(f"`{label}` ({worth:g})" for label, worth in coding.items())
            lines.append(f"| {{doc}}`/{name}` | {len(exercises) - len(coding)} | {graded} |")
        words, count, total = words + len(exercises) - len(coding), count + len(coding), total + sum(coding.values())
    return [*lines, f"| **All** | **{words}** | **{count}, worth {total:g} points** |"]


class CourseExercises(SphinxDirective):
    """The table, from the chapters of this very build."""

    def run(self):
        book = chapters(Path(self.env.srcdir))
        paths = {chapter.page: Path(self.env.doc2path(chapter.page)) for chapter in book}
        lines = ["| Chapter | In words | In code: label and points |", "|---|--:|---|", *rows(paths)]
        for path in paths.values():
            self.env.note_dependency(str(path))
        box = nodes.container()
        self.state.nested_parse(StringList(lines, source=self.env.docname), self.content_offset, box)
        return box.children


def setup(app):
    app.add_directive("course-exercises", CourseExercises)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
