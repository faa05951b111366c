"""Shows the formulas of our docstrings as they are typed.

In a docstring a formula stands indented on its own, plain enough to read in an editor.  reStructuredText would take it
for a quotation: here every such block becomes a literal block.  In running text ``|x|`` and ``x_`` would be markup;
outside of literals they mean themselves.  A bib key such as ``ho2020ddpm`` becomes a citation.
"""

import re
from pathlib import Path

from pybtex.database import parse_file

LITERAL = re.compile(r"(``.+?``|:[\w:]+:`.+?`|`.+?`_?)")
KEY = re.compile(r"``([a-z]+\d{4}[a-z]*)``")
MARKUP = re.compile(r"(?<!\\)\||(?<=\w)(?<!\\)_(?=[\s.,;:)|]|$)")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _plain(line: str) -> str:
    """``line`` with its bars and closing underscores escaped, literals and roles untouched."""
    parts = LITERAL.split(line)
    return "".join(part if i % 2 else MARKUP.sub(lambda m: "\\" + m[0], part) for i, part in enumerate(parts))


def _cite(app, what, name, obj, options, lines):
    (bibliography,) = app.config.bibtex_bibfiles
    if not hasattr(app.env, "wb_bib_keys"):
        app.env.wb_bib_keys = set(parse_file(str(Path(app.srcdir) / bibliography)).entries)
    known = app.env.wb_bib_keys
    lines[:] = [KEY.sub(lambda m: f":cite:t:`{m[1]}`" if m[1] in known else m[0], line) for line in lines]


def _literal_blocks(app, what, name, obj, options, lines):
    result, before, blank, literal = [], "", False, None
    for line in lines:
        if line.strip():
            if literal is not None and _indent(line) <= literal:
                literal = None
            deeper = blank and before and _indent(line) > _indent(before)
            if literal is None and deeper:
                literal = _indent(before)
                if not before.lstrip().startswith((".. ", ":", "- ", "* ")) and not before.endswith("::"):
                    result += [" " * literal + "::", ""]
            before, blank = line, False
        else:
            blank = True
        result.append(line if literal is not None or line.lstrip().startswith((".. ", ">>>")) else _plain(line))
    lines[:] = result


def setup(app):
    app.connect("autodoc-process-docstring", _literal_blocks, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", _cite, priority=110)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
