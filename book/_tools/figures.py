"""``make figures``: every figure of the executed book as a file, for slides, with its alt text, its caption and where it is from.

Writes ``_build/figures/<part>/<chapter>-<number>.png`` beside ``index.html``, which shows them all, and the whole as a zip.  The frames
of players are not among them: a slide can link to the page instead.
"""

import base64
import html
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from execute import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from executed import Chapter, chapters

OUT = ROOT / "_build" / "figures"
TERMS = "Few Steps, Few Bits. Figures: CC BY 4.0; name the book and the chapter."
INSIDE = re.compile(r'<figure class="wb-figure".*?</figure>', re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One figure of a chapter, numbered from 1 in the order of the page."""

    chapter: Chapter
    number: int
    png: bytes
    alt: str
    caption: str

    @property
    def file(self) -> str:
        """Its path below the folder of figures."""
        return f"{self.chapter.name}-{self.number:02}.png"


class _Reader(HTMLParser):
    """The picture, its alt text and the caption of one ``<figure>``."""

    def __init__(self, text: str):
        super().__init__()
        self.source = self.alt = self.caption = ""
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._tag = tag
        if tag == "img":
            found = dict(attributes)
            self.source, self.alt = found["src"], found["alt"]

    def handle_data(self, data):
        if self._tag == "figcaption":
            self.caption += data


def figures(chapter: Chapter) -> Iterator[Figure]:
    """The figures of an executed chapter."""
    shown = ("".join(o.get("data", {}).get("text/html", "")) for cell in chapter.cells for o in cell.get("outputs", []))
    number = 0
    for text in shown:
        for one in INSIDE.findall(text):
            read = _Reader(one)
            if read.source.startswith("data:image/png;base64,"):
                number += 1
                yield Figure(chapter, number, base64.b64decode(read.source.partition(",")[2]), read.alt, read.caption.strip())


def page(found: list[Figure]) -> str:
    """The list of all figures as a web page that needs nothing but the files beside it."""
    rows, part = [], None
    for figure in found:
        if figure.chapter.name != part:
            part = figure.chapter.name
            rows.append(f"<h2>{html.escape(figure.chapter.title)}</h2>")
        caption = f"<p><strong>{html.escape(figure.caption)}</strong></p>" if figure.caption else ""
        alt = html.escape(figure.alt)
        rows.append(
            f'<figure><a href="{figure.file}"><img src="{figure.file}" alt="{alt}" loading="lazy"></a>'
            f"<figcaption>{caption}<p>{alt}</p><p><code>{figure.file}</code></p></figcaption></figure>"
        )
    style = "body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}figure{margin:0 0 2em}img{max-width:100%}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Figures</title><style>{style}</style></head><body>'
        f"<h1>The figures of the book</h1><p>{TERMS} Under each figure stands what it shows, in words.</p>"
        + "\n".join(rows)
        + "</body></html>\n"
    )


def write(found: list[Figure], folder: Path) -> Path:
    """Write the files, the page and the zip beside the folder; return the zip."""
    shutil.rmtree(folder, ignore_errors=True)
    for figure in found:
        path = folder / figure.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(figure.png)
    (folder / "index.html").write_text(page(found), "utf8")
    (folder / "LICENSE.txt").write_text(TERMS + "\n", "utf8")
    return Path(shutil.make_archive(str(folder), "zip", folder))


def main() -> int:
    source = ROOT / "_build" / "source"
    if not (source / "_toc.yml").is_file():
        print("The book has not been executed and staged yet: run 'make book' first.")
        return 1
    found = [figure for chapter in chapters(source) for figure in figures(chapter)]
    archive = write(found, OUT)
    print(f"{len(found)} figures in {OUT}, listed by index.html; all of them in {archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
