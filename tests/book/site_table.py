"""What the browser tests measured, one row for each page: printed at the end of ``make check`` and kept in ``_build/site-table.md``.

A test hands over its measurements by ``record_property("page", {"page": ..., name: value})``, which also travels from the parallel
processes to the one that prints.
"""

from collections.abc import Iterable

COLUMNS = {
    "html": "HTML, kB",
    "weight": "with all it loads, kB",
    "requests": "requests",
    "foreign": "to other hosts",
    "errors": "console errors",
    "axe": "axe: serious",
    "theme": "of the theme, allowed",
    "sliders": "sliders",
    "moved": "moved by key and mouse",
}
SUMMED = {"axe", "theme"}  # light and dark each count theirs


def rows(reports: Iterable) -> dict[str, dict[str, int]]:
    """Page -> measurements, from the reports of all tests."""
    found: dict[str, dict[str, int]] = {}
    for report in reports:
        for name, measured in report.user_properties:
            if name == "page" and report.when == "call":
                row = found.setdefault(measured["page"], {})
                for key, value in measured.items():
                    if key in COLUMNS:
                        row[key] = row.get(key, 0) + value if key in SUMMED else value
    return dict(sorted(found.items()))


def markdown(found: dict[str, dict[str, int]]) -> str:
    """The table, with a dash where a test did not run, and its largest values and sums in the last row."""
    lines = ["| page | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for page, row in found.items():
        lines.append(f"| {page} | " + " | ".join(str(row.get(key, "-")) for key in COLUMNS) + " |")
    largest = {"html", "weight", "requests"}
    ends = [(max if key in largest else sum)([row.get(key, 0) for row in found.values()] or [0]) for key in COLUMNS]
    ends_words = [f"{'most' if key in largest else 'sum'} {end}" for key, end in zip(COLUMNS, ends, strict=True)]
    return "\n".join([*lines, f"| {len(found)} pages | " + " | ".join(ends_words) + " |"]) + "\n"
