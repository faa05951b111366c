"""The glossary: every term once, in order, each with a blank line before it."""

import re

from built_site import ROOT

LINES = (ROOT / "book/glossary.md").read_text("utf8").split("```{glossary}")[1].split("```")[0].strip("\n").split("\n")
PLACES = [place for place, line in enumerate(LINES) if line and not line.startswith((" ", ":"))]


def test_every_term_stands_once_and_alone():
    terms = [LINES[place] for place in PLACES]
    assert len(terms) > 50
    assert not [term for term in terms if terms.count(term) > 1]
    assert not [LINES[place] for place in PLACES if place and LINES[place - 1].strip()]
    assert not [LINES[place] for place in PLACES if not LINES[place + 1].startswith("  ")]


def test_terms_are_in_order():
    keys = [re.sub(r"[^a-z0-9]", "", LINES[place].lower()) for place in PLACES]
    assert keys == sorted(keys)
