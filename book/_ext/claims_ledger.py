"""The directive ``{claims-ledger}``: every number of the book, what was expected of it, and how much of the room it used."""

from collections import Counter
from pathlib import Path

from claims import KINDS, exact, expectation, used, weakest
from executed import chapters
from writing import Page


class ClaimsLedger(Page):
    """A summary for each chapter, the weakest claims, and the whole ledger."""

    def run(self):
        book = chapters(Path(self.env.srcdir))
        titles = {chapter.name: chapter for chapter in book}
        rows = [(chapter.name, fact) for chapter in book for fact in chapter.facts() if fact["kind"] in KINDS]
        counts = {name: Counter(fact["kind"] for chapter, fact in rows if chapter == name) for name in titles}
        total = sum(counts.values(), Counter())
        self.book = titles
        summary = [(self._first(name), *(str(counts[name][kind]) for kind in KINDS)) for name in titles]
        summary.append(("**All**", *(f"**{total[kind]}**" for kind in KINDS)))
        header = ("Number", "Kind", "Value", "Expected, or source", "Room used", "Chapter")
        first = {name: next(k for k, row in enumerate(rows) if row[0] == name) for name in titles if counts[name]}
        ids = tuple(f"claims-{row[0].replace('/', '-')}" if first[row[0]] == k else "" for k, row in enumerate(rows))
        every = self.table(header, [self._cells(*row) for row in rows], ("wb-data", "wb-filter", "wb-sort"), ids)
        weak = self.table(header, [self._cells(*row) for row in weakest(rows)], ("wb-data",))
        return [
            self.section("By chapter", self.table(("Chapter", *KINDS), summary, ("wb-data",)), anchor="claims-by-chapter"),
            self.section("Nearest to their bounds", weak, anchor="weakest-claims"),
            self.section("Every number", every, anchor="every-claim"),
        ]

    def _first(self, name: str):
        target = f"claims-{name.replace('/', '-')}"
        return self.link(self.env.docname, self.book[name].title, target)

    def _cells(self, name: str, fact: dict) -> tuple:
        share = used(fact)
        number = self.link(f"notebooks/{name}", fact["name"], f"number-{fact['name']}", ("wb-name",))
        room = "" if share is None else "exact" if exact(fact) else f"{100 * share:.0f} %"
        return number, fact["kind"], f"{fact['value']:.6g}", expectation(fact), room, self.book[name].title


def setup(app):
    app.add_directive("claims-ledger", ClaimsLedger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
