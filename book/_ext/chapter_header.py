"""The lines under a chapter's title, made from the notebook's own metadata and from its last run.

A notebook says ``{"book": {"level": "core", "needs": ["foundations/noise_and_signal"], "goals": ["..."],
"read_min": 15}}``; seconds and memory come from the run that the page shows, so nobody has to keep them.
Prerequisites become links and an unknown one is a warning; goals may contain ``$mathematics$``.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

LEVELS = {"opening": "The opening", "core": "Core chapter", "reference": "Method card"}


def _text(source: str) -> list[nodes.Node]:
    """Plain text with ``$...$`` turned into mathematics."""
    parts = source.split("$")
    return [nodes.math(p, p) if i % 2 else nodes.Text(p) for i, p in enumerate(parts) if p]


def _link(chapter: str) -> nodes.Node:
    target = addnodes.pending_xref(
        "", reftype="doc", refdomain="std", refexplicit=False, refwarn=True, reftarget=f"/notebooks/{chapter}"
    )
    target += nodes.inline("", chapter, classes=["doc"])
    return target


def _header(book: dict, run: dict) -> nodes.Node:
    facts = [LEVELS[book["level"]], f"{book['read_min']} min to read"]
    if run:
        facts.append(f"{run['seconds']:.0f} s and {run['peak_mb']} MB to run on one core")
    box = nodes.container(classes=["wb-header"])
    box += nodes.paragraph("", " · ".join(facts), classes=["wb-facts"])
    if book["needs"]:
        line = nodes.paragraph("", "", nodes.strong("", "Builds on "), classes=["wb-needs"])
        for i, chapter in enumerate(book["needs"]):
            line += [nodes.Text(", "), _link(chapter)][i == 0 :]
        box += line
    goals = nodes.bullet_list()
    for goal in book["goals"]:
        goals += nodes.list_item("", nodes.paragraph("", "", *_text(goal)))
    box += [nodes.paragraph("", "", nodes.strong("", "Afterwards you can"), classes=["wb-goals"]), goals]
    return box


def _insert(app, doctree):
    docname = app.env.docname
    path = Path(app.env.doc2path(docname))
    if path.suffix != ".ipynb":
        return
    book = json.loads(path.read_text("utf8"))["metadata"].get("book")
    title = next(iter(doctree.findall(nodes.title)), None)
    if book is None or title is None:
        return
    record = Path(app.srcdir) / "runs.json"
    run = json.loads(record.read_text("utf8")).get(docname, {}) if record.is_file() else {}
    title.parent.insert(title.parent.index(title) + 1, _header(book, run))


def setup(app):
    app.connect("doctree-read", _insert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
