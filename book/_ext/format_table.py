"""The directive ``{format-table}``: every number format of ``workbench.quantizers`` with its bits and its noise.

Bits are counted by the formula of the quantizer, steps included; noise is measured while the page is built.
"""

from pathlib import Path

from docutils import nodes
from executed import chapters
from writing import Page

HEADER = ("Format", "Bits a number", "Signal over noise, dB", "Without a sign", "Paper", "Chapter")
SEED = 0


def rows() -> list[tuple[str, str, str, str, str, str]]:
    """(name, bits, decibels, signed, paper, chapter) of every format."""
    import torch

    from workbench.quantizers import FORMATS

    generator = torch.Generator()
    return [
        (
            form.name,
            f"{form.bits_per_entry():.3f}",
            f"{form.sqnr(generator.manual_seed(SEED)):.1f}",
            "no" if form.signed else "yes",
            form.quantizer.paper,
            form.chapter,
        )
        for form in FORMATS
    ]


class FormatTable(Page):
    """One row for each format."""

    def run(self):
        known = {chapter.name: chapter.title for chapter in chapters(Path(self.env.srcdir))}
        body: list[tuple[str | nodes.Node, ...]] = [
            (*facts, f"{{cite:t}}`{paper}`", self.link(f"notebooks/{place}", known[place])) for *facts, paper, place in rows()
        ]
        return [self.table(HEADER, body, ("wb-filter", "wb-sort"))]


def setup(app):
    app.add_directive("format-table", FormatTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
