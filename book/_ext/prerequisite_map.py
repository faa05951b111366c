"""The directive ``{prerequisite-map}``: which chapter builds on which, as a drawing with links and as a list."""

import html
import textwrap
from pathlib import Path

from docutils import nodes
from executed import Chapter, chapters
from layered import HEIGHT, WIDTH, Place, paths, placed, reduced
from writing import Page

MARGIN = 6


def _box(chapter: Chapter, place: Place, address: str) -> str:
    lines = textwrap.wrap(chapter.title, 20)
    first = place.y + HEIGHT / 2 - 7.5 * (len(lines) - 1) + 5
    words = "".join(
        f'<tspan x="{place.x:.0f}" y="{first + 15 * k:.0f}">{html.escape(line)}</tspan>' for k, line in enumerate(lines)
    )
    return (
        f'<a href="{address}"><rect class="wb-{chapter.book["level"]}" x="{place.x - WIDTH / 2:.0f}" y="{place.y:.0f}" '
        f'width="{WIDTH}" height="{HEIGHT}" rx="8"/><text text-anchor="middle">{words}</text></a>'
    )


def _curve(stations: list[Place]) -> str:
    """Down from box to box; at a point on the way the line runs straight through the row."""
    path = f"M{stations[0].x:.0f} {stations[0].y + HEIGHT}"
    for before, after in zip(stations, stations[1:], strict=False):
        half = (before.y + HEIGHT + after.y) / 2
        path += f"C{before.x:.0f} {half:.0f} {after.x:.0f} {half:.0f} {after.x:.0f} {after.y:.0f}"
        path += f"V{after.y + HEIGHT:.0f}" if after is not stations[-1] else ""
    return f'<path d="{path}" marker-end="url(#wb-tip)"/>'


def drawing(book: tuple[Chapter, ...], address) -> str:
    """The map as SVG; ``address(chapter)`` is where its box leads."""
    needs = reduced({chapter.name: list(chapter.book["needs"]) for chapter in book})
    place = placed(needs)
    width = max(at.x + WIDTH / 2 * (item in needs) for item, at in place.items())
    height = max(place[name].y for name in needs) + HEIGHT
    lines = "".join(_curve([place[station] for station in line]) for line in paths(needs))
    boxes = "".join(_box(chapter, place[chapter.name], address(chapter)) for chapter in book)
    return (
        f'<div class="wb-scroll"><svg class="wb-map" role="group" aria-labelledby="wb-map-title" width="{width + 2 * MARGIN:.0f}" '
        f'viewBox="{-MARGIN} {-MARGIN} {width + 2 * MARGIN:.0f} {height + 2 * MARGIN:.0f}">'
        f'<title id="wb-map-title">Map of {len(book)} chapters: arrows lead from a chapter to those that build on it; '
        "the list below the map says the same.</title>"
        '<defs><marker id="wb-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z"/></marker></defs><g class="wb-arrows" aria-hidden="true">{lines}</g>{boxes}</svg></div>'
    )


class PrerequisiteMap(Page):
    """The drawing, then the same in words."""

    def run(self):
        book = chapters(Path(self.env.srcdir))
        titles = {chapter.name: chapter for chapter in book}
        relative = self.env.app.builder.get_relative_uri
        picture = nodes.raw("", drawing(book, lambda chapter: relative(self.env.docname, chapter.page)), format="html")
        words = nodes.bullet_list()
        for chapter in book:
            needs = [part for need in chapter.book["needs"] for part in (", ", self.link(titles[need].page, titles[need].title))]
            line = [self.link(chapter.page, chapter.title), " builds on " if needs else " needs no other chapter", *needs[1:]]
            words += nodes.list_item("", self.paragraph(*line, "."))
        return [picture, words]


def setup(app):
    app.add_directive("prerequisite-map", PrerequisiteMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
