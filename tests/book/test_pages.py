"""The pages that are made from the executed chapters: what they read, what they say of it, and in which order."""

import json
import xml.etree.ElementTree as ET

import claims
import evidence
import layered
import prerequisite_map
import pytest
import scoreboard_figure
import scoreboard_table
import yaml
from built_site import ROOT
from executed import RECORD, chapters


def number(name, value, kind="run", **more):
    """The two outputs of ``wb.claim`` and its kin."""
    about = {"scrapbook": {"name": name}, "workbench": {"kind": kind, **more}}
    return [{"data": {"text/html": "shown"}, "metadata": {}}, {"data": {RECORD: repr(value)}, "metadata": about}]


def line(method, evaluations, error, parameters=0):
    about = {
        "kind": "scoreboard",
        "method": method,
        "evaluations": evaluations,
        "error": error,
        "bits": 32,
        "parameters": parameters,
    }
    about["price"] = evaluations * 32 * (parameters or 1)
    return {"data": {"text/html": "shown"}, "metadata": {"workbench": about}}


def notebook(title, needs, outputs):
    label = title.lower()
    words = f"(sec-x)=\n# {title}\n\n$$\nx = \\frac{{1}}{{2}} .\n$$ (eq-{label})\n\n```{{exercise}}\n:label: e\n```"
    cells = [
        {"cell_type": "markdown", "source": [words]},
        {"cell_type": "code", "source": 'wb.symbolic.statement("tweedie").check()', "outputs": outputs},
    ]
    return {"cells": cells, "metadata": {"book": {"level": "core", "needs": needs, "goals": ["go"], "read_min": 20}}}


@pytest.fixture
def book(tmp_path):
    first = notebook("One", [], [*number("half", 0.5, expect=0.5, tol=0.1), line("DDIM", 8, 0.25), line("exact flow", 0, 0.0)])
    second = notebook("Two", ["part/one"], [*number("fid", 1.97, "quoted", source="karras2022edm"), line("Heun", 8, 0.5)])
    (tmp_path / "notebooks" / "part").mkdir(parents=True)
    for name, content in (("one", first), ("two", second)):
        (tmp_path / "notebooks" / "part" / f"{name}.ipynb").write_text(json.dumps(content))
    files = [{"file": "book/how_to_run"}, {"file": "notebooks/part/one"}, {"file": "notebooks/part/two"}]
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump({"parts": [{"caption": "Part", "chapters": files}]}))
    return chapters(tmp_path)


def test_chapters_are_read_in_order_with_what_they_showed(book):
    assert [(c.name, c.title, c.part, c.page) for c in book] == [
        ("part/one", "One", "Part", "notebooks/part/one"),
        ("part/two", "Two", "Part", "notebooks/part/two"),
    ]
    assert book[0].equations() == [("eq-one", r"x = \frac{1}{2}")]
    assert book[0].exercises() == 1
    assert book[0].facts()[0] == {"kind": "run", "name": "half", "value": 0.5, "expect": 0.5, "tol": 0.1}
    assert [fact["kind"] for fact in book[1].facts()] == ["quoted", "scoreboard"]


def test_the_reader_finds_every_chapter_of_the_book():
    from execute import chapters as listed

    assert [chapter.page for chapter in chapters(ROOT)] == listed()


@pytest.mark.parametrize(
    ("fact", "words", "share"),
    [
        ({"kind": "run", "value": 1.05, "expect": 1.0, "tol": 0.1}, "1 ± 0.1", 0.5),
        ({"kind": "run", "value": 2.2, "expect": 2.0, "rel": 0.2}, "2 ± 20 %", 0.5),
        ({"kind": "run", "value": 3.0, "expect": 3.0, "tol": 0.0}, "3 ± 0", 0.0),
        ({"kind": "run", "value": 0.2, "at_most": 0.8}, "at most 0.8", 0.25),
        ({"kind": "run", "value": 0.0, "at_most": 1e-12}, "at most 1e-12", 0.0),
        ({"kind": "run", "value": -4.0, "at_most": -1.0}, "at most -1", 0.25),
        ({"kind": "run", "value": 5.0, "at_least": 4.0, "at_most": 100.0}, "at least 4 and at most 100", 0.8),
        ({"kind": "run", "value": 0.0, "at_most": 0.0}, "at most 0", 1.0),
        ({"kind": "recorded", "value": 1.0, "artifact": "a.json"}, "`a.json`", None),
        ({"kind": "quoted", "value": 1.0, "source": "key2020a"}, "{cite:t}`key2020a`", None),
    ],
)
def test_room_used_by_a_number(fact, words, share):
    assert claims.expectation(fact) == words
    assert claims.used(fact) == (share if share is None else pytest.approx(share))


def test_the_weakest_claims_come_first_and_counts_are_none():
    facts = [{"kind": "run", "value": v, "at_most": 10.0} for v in (9.5, 2.5, 10.0, 7.25)]
    assert [fact["value"] for _, fact in claims.weakest([("c", fact) for fact in facts], 2)] == [9.5, 7.25]


def test_what_may_be_said_of_an_equation():
    assert evidence.status({}) == "stated"
    assert evidence.status({"defined": True}) == "definition"
    assert evidence.status({"quoted": "k"}) == "quoted"
    assert evidence.status({"part": ["tweedie"], "scope": "Gaussian data", "quoted": "k"}) == "proved in part"
    assert evidence.status({"part": ["tweedie"], "claim": ["n"]}) == "verified"
    assert evidence.status({"page": ["a == b"]}) == "proved"
    assert evidence.status({"page": ["a == b"], "scope": "one term"}) == "proved in part"
    assert evidence.status({"proved": ["tweedie"], "scope": "one direction", "verified": ["t"]}) == "proved"


def test_statements_without_a_label_name_the_chapters_that_prove_them(book):
    free = {
        s.name: [c.name for c in where]
        for s, where in evidence.unlabeled(book, {"part/one": {"eq-one": {"part": ["wiener-filter"]}}})
    }
    assert free["tweedie"] == ["part/one", "part/two"]
    assert "wiener-filter" not in free


def test_the_scoreboard_is_sorted_and_drawn_by_method(book):
    rows = scoreboard_table.lines(book)
    assert [fact["method"] for _, fact in rows] == ["exact flow", "DDIM", "Heun"]
    facts = [fact for _, fact in rows] + [{**rows[1][1], "method": "DDIM, guided"}, {**rows[2][1], "error": 99.0}]
    families = scoreboard_figure.drawn(facts)
    assert {name: len(members) for name, members in families.items()} == {"DDIM": 2, "Heun": 1}
    picture = scoreboard_figure.figure(facts)
    assert "smallest is 0.25, of DDIM with 8 evaluations" in picture.alt


NEEDS = {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["a"], "e": ["a"], "f": ["a"], "g": ["a"], "h": ["c", "g"], "i": []}


def test_the_map_leaves_out_what_is_implied_and_keeps_boxes_apart():
    needs = layered.reduced(NEEDS)
    assert needs["c"] == ["b"]
    row = layered.rows_of(needs)
    assert all(row[need] < row[name] for name in needs for need in needs[name])
    assert max(list(row.values()).count(k) for k in row.values()) <= layered.MOST
    place = layered.placed(needs)
    boxes = [place[name] for name in needs]
    for k, one in enumerate(boxes):
        assert all(one.y != other.y or abs(one.x - other.x) >= layered.WIDTH for other in boxes[:k])
    assert min(at.x for at in boxes) >= layered.WIDTH / 2


def test_the_map_is_a_drawing_with_a_link_for_each_chapter():
    book = chapters(ROOT)
    drawing = ET.fromstring(prerequisite_map.drawing(book, lambda chapter: f"{chapter.page}.html"))
    links = [element.get("href") for element in drawing.iter("a")]
    assert links == [f"{chapter.page}.html" for chapter in book]
    words = [" ".join("".join(text.itertext()) for text in box.iter("tspan")) for box in drawing.iter("a")]
    assert words == [chapter.title for chapter in book]
    assert f"Map of {len(book)} chapters" in "".join(drawing.find(".//title").itertext())
