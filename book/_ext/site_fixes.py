"""Small repairs to what other extensions write.

* sphinx-thebe adds its scripts, twice, to every page.  This book has no thebe cells: they are dropped.
* sphinx-codeautolink pops from an empty list when sphinx-exercise has moved a section's content.
* Wide tables and displayed equations get a box of their own to scroll in, so that no page scrolls sideways; being
  scrollable, the box can be reached with the keyboard.
"""

from docutils import nodes
from sphinx_codeautolink.extension.block import CodeBlockAnalyser


def _drop_thebe(app, pagename, templatename, context, doctree):
    def unwanted(script) -> bool:
        attributes = getattr(script, "attributes", {})
        return "thebe" in (str(attributes.get("body") or "") + str(getattr(script, "filename", "") or "")).lower()

    for key in ("script_files", "css_files"):
        context[key] = [entry for entry in context.get(key, []) if not unwanted(entry)]


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
    app.connect("html-page-context", _drop_thebe, priority=900)
    app.connect("doctree-read", _box_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
