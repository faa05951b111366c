"""Orders of reading: what leads to a chapter, and a sequence of chapters cut into weeks."""

from functools import cache

from executed import Chapter


def closed(book: tuple[Chapter, ...], goals: set[str]) -> list[Chapter]:
    """The chapters ``goals`` with all they build on, in reading order."""
    needs = {chapter.name: chapter.book["needs"] for chapter in book}
    if unknown := goals - set(needs):
        raise ValueError(f"no chapter {', '.join(sorted(unknown))}; there are {', '.join(needs)}")
    wanted, new = set(), set(goals)
    while new:
        wanted |= new
        new = {need for name in new for need in needs[name]} - wanted
    return [chapter for chapter in book if chapter.name in wanted]


def minutes(part: list[Chapter]) -> int:
    """Time to read."""
    return sum(chapter.book["read_min"] for chapter in part)


def weeks(reading: list[Chapter], count: int) -> list[list[Chapter]]:
    """``reading`` cut into ``count`` stretches, none empty, such that the sum of their squared minutes is least."""
    if not 1 <= count <= len(reading):
        raise ValueError(f"{len(reading)} chapters cannot fill {count} weeks")

    @cache
    def best(start: int, left: int) -> tuple[int, tuple[int, ...]]:
        if left == 1:
            return minutes(reading[start:]) ** 2, ()
        cuts = range(start + 1, len(reading) - left + 2)
        return min((minutes(reading[start:cut]) ** 2 + best(cut, left - 1)[0], (cut, *best(cut, left - 1)[1])) for cut in cuts)

    cuts = (0, *best(0, count)[1], len(reading))
    return [reading[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
