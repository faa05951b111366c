"""The executed chapters of the staged book, read once for every page that is made from them.

What a chapter says of itself is its metadata; what it showed is in its outputs: each number of ``wb.claim``,
``wb.recorded`` and ``wb.quoted`` and each line of ``wb.scoreboard`` carries its facts as metadata of an output.
"""

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

RECORD = "application/papermill.record/text/plain"
EQUATION = re.compile(r"\$\$((?:(?!\$\$).)+)\$\$ *\(([\w-]+)\)", re.DOTALL)


@dataclass(frozen=True)
class Chapter:
    """One executed notebook, such as ``solvers/multistep`` of the part *Fewer steps, free*."""

    name: str
    part: str
    book: dict
    cells: tuple[dict, ...]

    @property
    def page(self) -> str:
        """Its document."""
        return f"notebooks/{self.name}"

    @property
    def title(self) -> str:
        """Its heading."""
        return re.search(r"^# (.+)$", self.source("markdown"), re.MULTILINE)[1].strip()

    def source(self, kind: str) -> str:
        """Everything in its cells of this kind, "code" or "markdown"."""
        return "\n\n".join("".join(cell["source"]) for cell in self.cells if cell["cell_type"] == kind)

    def equations(self) -> list[tuple[str, str]]:
        """Label and formula of every labeled equation."""
        return [(label, " ".join(tex.split()).rstrip(" .,")) for tex, label in EQUATION.findall(self.source("markdown"))]

    def exercises(self) -> int:
        """How many exercises there are."""
        return len(re.findall(r"\{exercise(?:-start)?\}", self.source("markdown")))

    def facts(self) -> list[dict]:
        """What outputs say of themselves: ``{"kind": "run", "name": ..., "value": ..., ...}``, in the order shown."""
        return [_fact(output) for cell in self.cells for output in cell.get("outputs", []) if _about(output)]


def _about(output: dict) -> dict:
    return output.get("metadata", {}).get("workbench", {})


def _fact(output: dict) -> dict:
    fact = dict(_about(output))
    if RECORD in output["data"]:
        fact["name"] = output["metadata"]["scrapbook"]["name"]
        fact["value"] = float("".join(output["data"][RECORD]))
    return fact


@functools.cache
def chapters(source: Path) -> tuple[Chapter, ...]:
    """All chapters below ``source``, in reading order."""
    contents = yaml.safe_load((source / "_toc.yml").read_text("utf8"))
    found = []
    for part in contents["parts"]:
        for entry in part["chapters"]:
            path = source / f"{entry['file']}.ipynb"
            if path.is_file():
                notebook = json.loads(path.read_text("utf8"))
                name = entry["file"].removeprefix("notebooks/")
                found.append(Chapter(name, part["caption"], notebook["metadata"]["book"], tuple(notebook["cells"])))
    return tuple(found)
