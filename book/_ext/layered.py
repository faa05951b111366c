"""Where the boxes of a map of prerequisites go: rows of a few, each below what it builds on, long lines led around the boxes.

``needs`` says for each name what it builds on.  Lines that others imply are left out.
"""

from typing import NamedTuple

WIDTH, HEIGHT, LINE, BETWEEN, BELOW, MOST = 148, 58, 8, 12, 44, 4


class Place(NamedTuple):
    """Middle of the top edge."""

    x: float
    y: float


def earlier(name: str, needs: dict[str, list[str]]) -> set[str]:
    """Everything that comes before ``name``."""
    return set(needs[name]).union(*(earlier(need, needs) for need in needs[name]))


def reduced(needs: dict[str, list[str]]) -> dict[str, list[str]]:
    """``needs`` without what follows from the rest of it."""
    implied = {name: set().union(*(earlier(need, needs) for need in needs[name])) for name in needs}
    return {name: [need for need in needs[name] if need not in implied[name]] for name in needs}


def rows_of(needs: dict[str, list[str]]) -> dict[str, int]:
    """The highest row for each name that is below all it needs and has room; names come in reading order."""
    row: dict[str, int] = {}
    for name in needs:
        place = 1 + max((row[need] for need in needs[name]), default=-1)
        while list(row.values()).count(place) >= MOST:
            place += 1
        row[name] = place
    return row


def paths(needs: dict[str, list[str]]) -> list[list]:
    """For each line its stations: the box it leaves, a point in every row on the way, the box it reaches."""
    row = rows_of(needs)
    return [[need, *((need, name, k) for k in range(row[need] + 1, row[name])), name] for name in needs for need in needs[name]]


def placed(needs: dict[str, list[str]], sweeps: int = 9) -> dict:
    """The place of every box and of every point that a long line passes."""
    lines = paths(needs)
    row_of = rows_of(needs) | {point: point[2] for line in lines for point in line[1:-1]}
    rows = [[item for item in row_of if row_of[item] == row] for row in range(max(row_of.values()) + 1)]
    above = {item: [] for item in row_of}
    below = {item: [] for item in row_of}
    for line in lines:
        for upper, lower in zip(line, line[1:], strict=False):
            above[lower].append(upper)
            below[upper].append(lower)
    x: dict = {}
    for row in rows:
        _spread(row, x)
    for sweep in range(sweeps):
        neighbors, order = (above, rows[1:]) if sweep % 2 == 0 else (below, rows[-2::-1])
        for row in order:
            wish = {i: sum(x[n] for n in neighbors[i]) / len(neighbors[i]) if neighbors[i] else x[i] for i in row}
            row.sort(key=wish.__getitem__)
            _spread(row, x)
    left = min(x[item] - (WIDTH if isinstance(item, str) else LINE) / 2 for item in x)
    return {item: Place(x[item] - left, row_of[item] * (HEIGHT + BELOW)) for item in row_of}


def _spread(row: list, x: dict) -> None:
    """Put the items of a row side by side, around 0."""
    wide = [WIDTH if isinstance(item, str) else LINE for item in row]
    at = -(sum(wide) + BETWEEN * (len(row) - 1)) / 2
    for item, width in zip(row, wide, strict=True):
        x[item] = at + width / 2
        at += width + BETWEEN
