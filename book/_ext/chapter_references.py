"""The directive ``{chapter-references}``: what this chapter cites, with titles, in the order of the bibliography.

The chapter's own text is searched for ``{cite:...}`` roles, so the list cannot go stale.  The entries link to the
bibliography page and, where there is one, to the paper on arXiv.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from pybtex.database import parse_file
from sphinx.util.docutils import SphinxDirective

ROLE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def cited(path: Path) -> set[str]:
    """Keys cited in the text of a notebook or a Markdown page."""
    text = path.read_text("utf8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return {key.strip() for group in ROLE.findall(text) for key in group.split(",")}


def line(key: str, fields: dict) -> str:
    """One list item in MyST."""
    title = re.sub(r"[{}]", "", fields["title"])
    arxiv = f" [arXiv:{fields['eprint']}](https://arxiv.org/abs/{fields['eprint']})" if "eprint" in fields else ""
    return f"- {{cite:t}}`{key}`. *{title}*.{arxiv}"


class ChapterReferences(SphinxDirective):
    """A bullet list of the papers cited on this page."""

    def run(self):
        (bibliography,) = self.config.bibtex_bibfiles
        entries = parse_file(str(Path(self.env.srcdir) / bibliography)).entries
        keys = cited(Path(self.env.doc2path(self.env.docname)))
        lines = [line(key, entries[key].fields) for key in entries if key in keys]
        if not lines:
            raise self.error("this page cites nothing, so it needs no list of references")
        box = nodes.container()
        self.state.nested_parse(StringList(lines, source=bibliography), self.content_offset, box)
        return box.children


def setup(app):
    app.add_directive("chapter-references", ChapterReferences)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
