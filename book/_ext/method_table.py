"""The directive ``{method-table}``: every method of ``workbench.solvers`` with its paper, order, price and other names.

All of it is read off the classes: settings are their fields, the chapter is the one that the module's docstring names.
"""

import dataclasses
import re
import sys
from pathlib import Path

from docutils import nodes
from executed import chapters
from writing import Page

BOOK = re.compile(r"Book: ``([\w/]+)``")
HEADER = ("Method", "Order", "Evaluations a step", "Draws noise", "Paper", "Chapter")


def methods() -> dict[type, list]:
    """Each class with the settings of it that ``ALL`` tries; the embedded pairs come last, and what needs to know a model."""
    from workbench import solvers

    found, known = {}, solvers.ModelStatistics.constant()
    informed = [solvers.DPMSolverV3(known, order) for order in (1, 2, 3)]
    for solver in (*solvers.ALL, solvers.DPMSolver12(), solvers.DPMSolver23(), *informed):
        found.setdefault(type(solver), []).append(solver)
    return found


def chapter_of(method: type) -> str:
    """The chapter that explains it: the first that the module of the class, or of a class it is made from, names."""
    texts = [sys.modules[base.__module__].__doc__ or "" for base in method.__mro__]
    return next(match[1] for text in texts if (match := BOOK.search(text)))


def _all(values) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(values)))


def facts(method: type, tried: list) -> tuple[str, str, str]:
    """Orders, evaluations a step and whether noise is drawn, over the settings that ``ALL`` tries."""
    price = "by its tolerance" if not hasattr(method, "evaluations_per_step") else _all(s.evaluations_per_step for s in tried)
    noise = sorted({"yes" if s.stochastic else "no" for s in tried})
    return _all(getattr(s, "global_order", s.order) for s in tried), price, "no or yes" if len(noise) > 1 else noise[0]


class MethodTable(Page):
    """One row for each class."""

    def run(self):
        titles = {chapter.name: chapter.title for chapter in chapters(Path(self.env.srcdir))}
        return [self.table(HEADER, [self._row_of(*item, titles) for item in methods().items()], ("wb-filter", "wb-sort"))]

    def _row_of(self, method: type, tried: list, titles: dict) -> tuple:
        settings = [field.name for field in dataclasses.fields(method)]
        name = [f"{{py:class}}`~{method.__module__}.{method.__qualname__}`"]
        if settings:
            name += [" (", ", ".join(f"`{field}`" for field in settings), ")"]
        if method.other_names:
            name += [nodes.inline("", ", ".join(method.other_names), classes=["wb-other-names"])]
        where = chapter_of(method)
        link = self.link(f"notebooks/{where}", titles[where])
        return name, *facts(method, tried), f"{{cite:t}}`{method.paper}`", link


def setup(app):
    app.add_directive("method-table", MethodTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
