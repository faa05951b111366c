"""The directive ``{claims-ledger}``: every number of the book, what was expected of it, and how much of the room it used."""

import math
from collections import Counter
from pathlib import Path

from executed import chapters
from writing import Page

KINDS = ("run", "recorded", "quoted")
NEAREST = 10


def expectation(fact: dict) -> str:
    """What was asked of a number, or where it comes from, in MyST."""
    if fact["kind"] == "recorded":
        return f"`{fact['artifact']}`"
    if fact["kind"] == "quoted":
        return f"{{cite:t}}`{fact['source']}`"
    if "expect" in fact:
        width = f"{fact['tol']:.3g}" if "tol" in fact else f"{100 * fact['rel']:.3g} %"
        return f"{fact['expect']:.6g} ± {width}"
    bounds = (("at_least", "at least"), ("at_most", "at most"))
    return " and ".join(f"{words} {fact[key]:.6g}" for key, words in bounds if key in fact)


def used(fact: dict) -> float | None:
    """The share of the room that a number of this run used: 0 at the expected value, 1 at its bound.

    With a tolerance it is |value - expected| / tolerance.  A bound alone has no expected value: there it is 1 - distance
    to the bound / the larger of the two, which for positive numbers is the ratio of the smaller to the larger.  With two
    bounds the nearer one counts.
    """
    if fact["kind"] != "run":
        return None
    value = fact["value"]
    if "expect" in fact:
        width = fact.get("tol", fact.get("rel", 0.0) * abs(fact["expect"]))
        return abs(value - fact["expect"]) / width if width else 0.0
    return max(_near(value, fact[key]) for key in ("at_least", "at_most") if key in fact)


def _near(value: float, bound: float) -> float:
    scale = max(abs(value), abs(bound))
    return max(0.0, 1 - abs(bound - value) / scale) if scale and math.isfinite(scale) else float(value == bound)


def exact(fact: dict) -> bool:
    """Whether nothing but one value would do: a count, or two things that must be equal."""
    return fact.get("tol") == 0 or fact.get("rel") == 0


def weakest(rows: list[tuple[str, dict]], most: int = NEAREST) -> list[tuple[str, dict]]:
    """The rows nearest to their bounds, whole numbers left out: those are counts, which do not drift."""
    drift = [row for row in rows if used(row[1]) is not None and not float(row[1]["value"]).is_integer()]
    return sorted(drift, key=lambda row: -used(row[1]))[:most]


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
        header = ("Chapter", "Number", "Kind", "Value", "Expected, or source", "Room used")
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
        return name, number, fact["kind"], f"{fact['value']:.6g}", expectation(fact), room


def setup(app):
    app.add_directive("claims-ledger", ClaimsLedger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
