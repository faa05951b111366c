"""Tours and syllabi: nothing before what it builds on, nothing twice, weeks of about equal length."""

import itertools
import re
from types import SimpleNamespace

import pytest
from built_site import ROOT
from executed import chapters
from reading_order import closed, minutes, weeks

BOOK = chapters(ROOT)
TOURS = re.findall(r"^```\{tour\} (.+)$", (ROOT / "book" / "syllabi.md").read_text("utf8"), re.MULTILINE)


def valid(reading) -> bool:
    """Whether every chapter stands after all it needs, and none stands twice."""
    names = [chapter.name for chapter in reading]
    seen = [set(names[:k]) for k in range(len(names))]
    return len(set(names)) == len(names) and all(set(c.book["needs"]) <= before for c, before in zip(reading, seen, strict=True))


@pytest.mark.parametrize(("levels", "count"), [(("opening", "core"), 7), (("opening", "core", "reference"), 12)])
def test_a_course_covers_its_levels_in_a_valid_order(levels, count):
    reading = closed(BOOK, {chapter.name for chapter in BOOK if chapter.book["level"] in levels})
    plan = weeks(reading, count)
    assert len(plan) == count
    assert all(plan)
    assert list(itertools.chain(*plan)) == reading
    assert valid(reading)
    assert {chapter.name for chapter in BOOK if chapter.book["level"] in levels} <= {chapter.name for chapter in reading}
    longest = max(chapter.book["read_min"] for chapter in reading)
    assert max(map(minutes, plan)) <= minutes(reading) / count + longest


@pytest.mark.parametrize("tour", TOURS)
def test_a_tour_arrives_prepared(tour):
    reading = closed(BOOK, set(tour.split()))
    assert valid(reading)
    assert reading[-1].name in tour.split()
    assert set(tour.split()) <= {chapter.name for chapter in reading}


def test_there_are_five_tours():
    assert len(TOURS) == 5
    assert not valid(BOOK[::-1])


def test_weeks_are_the_most_even_ones():
    reading = [SimpleNamespace(book={"read_min": m}) for m in (30, 10, 25, 5, 40, 20, 15)]
    for count in (1, 2, 3, 7):
        found = sum(minutes(part) ** 2 for part in weeks(reading, count))
        cuts = itertools.combinations(range(1, 7), count - 1)
        every = (sum(minutes(reading[a:b]) ** 2 for a, b in itertools.pairwise((0, *cut, 7))) for cut in cuts)
        assert found == min(every)


def test_impossible_orders_are_refused():
    with pytest.raises(ValueError, match="no chapter nowhere; there are foundations"):
        closed(BOOK, {"nowhere"})
    with pytest.raises(ValueError, match="2 chapters cannot fill 3 weeks"):
        weeks(list(BOOK[:2]), 3)
