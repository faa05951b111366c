"""What the generated pages are written with: tables, links that reach one line of a chapter, titled sections."""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


class Page(SphinxDirective):
    """A directive that writes; cells and paragraphs are nodes, or MyST text with its roles and mathematics."""

    def inline(self, content: str | nodes.Node) -> list[nodes.Node]:
        """Text as MyST, a node as it is."""
        return [content] if isinstance(content, nodes.Node) else self.state.inline_text(content, self.lineno)[0]

    def link(self, page: str, text: str, anchor: str = "", classes: tuple[str, ...] = ()) -> nodes.Node:
        """A link to a page of the book, or to the element ``anchor`` on it."""
        address = self.env.app.builder.get_relative_uri(self.env.docname, page)
        return nodes.reference("", text, internal=True, refuri=f"{address}#{anchor}" if anchor else address, classes=[*classes])

    def paragraph(self, *content: str | nodes.Node, classes: tuple[str, ...] = ()) -> nodes.paragraph:
        """One paragraph."""
        return nodes.paragraph("", "", *(node for part in content for node in self.inline(part)), classes=[*classes])

    def section(self, title: str, *children: nodes.Node, anchor: str) -> nodes.section:
        """A section with a heading of its own."""
        return nodes.section("", nodes.title("", "", *self.inline(title)), *children, ids=[anchor], names=[anchor])

    def table(
        self, header: tuple[str, ...], rows: list[tuple], classes: tuple[str, ...] = (), ids: tuple[str, ...] = ()
    ) -> nodes.table:
        """A table; a cell is text, a node, or a list of both; blocks stand alone.  ``ids`` names rows for links."""
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in header), cols=len(header))
        body = nodes.tbody("", *(self._row(row, ids[k : k + 1]) for k, row in enumerate(rows)))
        group += [nodes.thead("", self._row(header)), body]
        return nodes.table("", group, classes=[*classes])

    def _row(self, cells: tuple, ids: tuple[str, ...] = ()) -> nodes.row:
        row = nodes.row(ids=[*filter(None, ids)])
        for cell in cells:
            block = isinstance(cell, nodes.Element) and not isinstance(cell, nodes.Inline)
            row += nodes.entry("", cell if block else self.paragraph(*(cell if isinstance(cell, list) else [cell])))
        return row
