"""The directive ``{scoreboard-table}``: the lines of all chapters' scoreboards, as a figure and as a table."""

from pathlib import Path

from docutils import nodes
from executed import chapters
from scoreboard_figure import figure
from writing import Page

HEADER = ("Method", "Evaluations", "Error", "Bits", "Parameters", "Price", "Chapter")


def lines(book) -> list[tuple]:
    """Chapter and line, cheapest first; among equals the better one first."""
    found = [(chapter, fact) for chapter in book for fact in chapter.facts() if fact["kind"] == "scoreboard"]
    return sorted(found, key=lambda pair: (pair[1]["price"], pair[1]["error"]))


class ScoreboardTable(Page):
    """The figure, then the table."""

    def run(self):
        found = lines(chapters(Path(self.env.srcdir)))
        picture = nodes.raw("", figure([fact for _, fact in found]).html(), format="html")
        rows = [
            (
                fact["method"],
                str(fact["evaluations"]),
                f"{fact['error']:.3g}",
                str(fact["bits"]),
                f"{fact['parameters']:,}",
                f"{fact['price']:,}",
                self.link(chapter.page, chapter.title),
            )
            for chapter, fact in found
        ]
        return [picture, self.table(HEADER, rows, ("wb-data", "wb-filter", "wb-sort"))]


def setup(app):
    app.add_directive("scoreboard-table", ScoreboardTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
