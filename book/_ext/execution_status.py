"""The directive ``{execution-status}``: a table of what running each chapter cost, from the runs the pages show."""

import json
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class ExecutionStatus(SphinxDirective):
    """Seconds of one core, wall seconds, peak memory and date for each chapter, then totals and versions."""

    def run(self):
        record = Path(self.env.srcdir) / "runs.json"
        self.env.note_dependency(str(record))
        runs = json.loads(record.read_text("utf8"))
        if not runs:
            return [nodes.paragraph("", "This edition has no executed chapters.")]
        lines = ["| Chapter | Seconds of one core | Wall seconds | Peak memory (MB) | Run on |", "|---|--:|--:|--:|---|"]
        for chapter, run in runs.items():
            cells = (run["seconds"], run["wall_seconds"], run["peak_mb"], run["date"])
            lines.append(f"| {{doc}}`/{chapter}` | " + " | ".join(map(str, cells)) + " |")
        total = sum(run["seconds"] for run in runs.values())
        worst = max(run["peak_mb"] for run in runs.values())
        lines.append(f"| **All {len(runs)}** | **{total:.1f}** | | **{worst}** (largest) | |")
        versions = sorted({f"Python {r['python']}, torch {r['torch']}, numpy {r['numpy']}" for r in runs.values()})
        lines += ["", "Ran with " + "; ".join(versions) + "."]
        box = nodes.container()
        self.state.nested_parse(StringList(lines, source=str(record)), self.content_offset, box)
        return box.children


def setup(app):
    app.add_directive("execution-status", ExecutionStatus)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
