"""The directive ``{equation-index}``: every labeled equation, how it is held, and by what.

``book/equations.yml`` says what holds an equation; whatever is not in it is "stated".  At the end are the statements that
chapters prove without a label.
"""

from collections import Counter
from pathlib import Path

import yaml
from docutils import nodes
from evidence import ORDER, evidence, status, unlabeled
from executed import Chapter, chapters
from writing import Page

WORDS = {"definition": "that define something", "stated": "that are only stated"}
PROOF = "tests/symbolic/test_statements.py::test_is_proved"


class EquationIndex(Page):
    """Counts, the equations of each chapter, and the statements without a label."""

    def run(self):
        source = Path(self.env.srcdir)
        book, index = chapters(source), yaml.safe_load((source / "book" / "equations.yml").read_text("utf8"))
        found = [(c, label, tex, index.get(c.name, {}).get(label, {})) for c in book for label, tex in c.equations()]
        counts = Counter(status(entry) for *_, entry in found)
        tally = self.paragraph(f"{len(found)} equations: " + ", ".join(f"{counts[s]} {WORDS.get(s, s)}" for s in ORDER) + ".")
        sections = []
        for chapter in book:
            items = [self._item(*row) for row in found if row[0] is chapter]
            if items:
                sections.append(self.section(chapter.title, *items, anchor=f"equations-{chapter.name.replace('/', '-')}"))
        rows = [(nodes.literal("", s.name), s.note, self._chapters(where)) for s, where in unlabeled(book, index)]
        rest = self.table(("Statement", "What it says", "Proved in"), rows)
        return [tally, *sections, self.section("Proved without a label", rest, anchor="statements-without-a-label")]

    def _item(self, chapter: Chapter, label: str, tex: str, entry: dict) -> nodes.container:
        name = status(entry)
        badge = nodes.inline("", name, classes=["wb-status", f"wb-status-{name.split()[-1]}"])
        proof = "" if name.startswith("proved") else "proved: "
        scope = [f" · {proof}{entry['scope']}"] if "scope" in entry else []
        box = nodes.container(classes=["wb-equation"])
        box += self.paragraph(f"{{eq}}`{label}` ", badge, *scope)
        box += nodes.math_block("", tex, nowrap=False, number=None, label=None)
        if lines := [self._evidence(chapter, *one) for one in evidence(entry)]:
            box += nodes.bullet_list("", *(nodes.list_item("", line) for line in lines), classes=["wb-held"])
        return box

    def _evidence(self, chapter: Chapter, kind: str, name: str) -> nodes.paragraph:
        if kind == "quoted":
            return self.paragraph(f"{{cite:t}}`{name}`")
        if kind == "claim":
            return self.paragraph("the number ", self.link(chapter.page, name, f"number-{name}", ("wb-name",)))
        words = {"page": f"assert {name}", "verified": name}.get(kind, f"{PROOF}[{name}]")
        return self.paragraph(nodes.literal("", words))

    def _chapters(self, where: list[Chapter]) -> list:
        links = [part for chapter in where for part in (", ", self.link(chapter.page, chapter.title))]
        return links[1:] or ["the tests alone"]


def setup(app):
    app.add_directive("equation-index", EquationIndex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
