"""Small repairs to what other extensions write.

* sphinx-thebe adds its scripts, twice, to every page.  This book has no thebe cells: it is not asked.
* sphinx-codeautolink pops from an empty list when sphinx-exercise has moved a section's content.
* Wide tables and displayed equations get a box of their own to scroll in, so that no page scrolls sideways; being
  scrollable, the box can be reached with the keyboard.
"""

from docutils import nodes
from sphinx_codeautolink.extension.block import CodeBlockAnalyser


def _drop_thebe(app):
    for listeners in app.events.listeners.values():
        listeners[:] = [entry for entry in listeners if not entry.handler.__module__.startswith("sphinx_thebe")]
    app.registry.css_files[:] = [entry for entry in app.registry.css_files if "thebe" not in entry[0]]


def _repair_roles(app, pagename, templatename, context, doctree):
    """docutils calls the bibliography a list, but its entries are no list items."""
    if "body" in context:
        context["body"] = context["body"].replace('<div role="list" class="citation-list">', '<div class="citation-list">')


def _guard_codeautolink():
    leave = CodeBlockAnalyser.depart_section

    def depart_section(self, node):
        if self.title_stack:
            leave(self, node)

    CodeBlockAnalyser.depart_section = depart_section


def _box_tables(app, doctree):
    for table in list(doctree.findall(nodes.table)):
        box = nodes.container(classes=["wb-scroll"])
        table.replace_self(box)
        box.append(table)


def setup(app):
    _guard_codeautolink()
    _drop_thebe(app)
    app.connect("html-page-context", _repair_roles)
    app.connect("doctree-read", _box_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
