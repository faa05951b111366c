"""BibTeX of what was used, each paper once, from one bibliography."""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import workbench
from workbench.cite import bibliography, cite, split


@dataclass(frozen=True)
class Schedule:
    paper = "song2021sde"


@dataclass(frozen=True)
class Solver:
    paper = ("lu2022dpmpp", "lu2022dpmsolver")


@dataclass(frozen=True)
class Law:
    schedule: Schedule = field(default_factory=Schedule)
    paper = "wang2024gaussian"


@dataclass(frozen=True)
class Run:
    solver: Solver = field(default_factory=Solver)


def keys(text):
    return list(split(text))


def test_a_run_cites_its_solver_and_a_law_its_schedule():
    assert keys(cite(Run(), Law())) == ["lu2022dpmpp", "lu2022dpmsolver", "wang2024gaussian", "song2021sde"]


def test_each_paper_once():
    assert keys(cite(Run(), Solver(), "lu2022dpmpp", Schedule())) == ["lu2022dpmpp", "lu2022dpmsolver", "song2021sde"]


def test_entries_are_given_whole():
    text = cite("song2021ddim")
    assert text.startswith("@inproceedings{song2021ddim,")
    assert text.count("{") == text.count("}")
    assert "Denoising Diffusion Implicit Models" in text


def test_what_cannot_be_cited_is_refused():
    with pytest.raises(ValueError, match="nothing to cite"):
        cite()
    with pytest.raises(ValueError, match="object names no paper"):
        cite(object())
    with pytest.raises(ValueError, match=r"no entry nobody1900nothing in workbench/references\.bib"):
        cite("nobody1900nothing")


def test_every_entry_is_complete():
    for key, entry in bibliography().items():
        assert entry.startswith("@")
        for name in ("title", "author", "year"):
            assert f"{name} " in entry, f"{key} has no {name}"
        year = re.fullmatch(r"[a-z]+(\d{4})[a-z0-9]*", key)
        assert year, f"{key}: keys begin with first author and year"
        assert f"{{{year[1]}}}" in entry, f"{key} names another year than its entry"


def test_every_paper_that_the_package_names_is_in_the_bibliography():
    found = {}
    for path in Path(workbench.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for place in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
            for line in place.body:
                names = getattr(line, "targets", [getattr(line, "target", None)])
                if any(isinstance(name, ast.Name) and name.id == "paper" for name in names) and line.value:
                    constants = [c.value for c in ast.walk(line.value) if isinstance(c, ast.Constant)]
                    found |= {c: path.name for c in constants if isinstance(c, str)}
    assert {key: name for key, name in found.items() if key not in bibliography()} == {}


def test_nested_braces_and_comments():
    found = split("words\n@a{one, title = {A {B} {\\'e}}}\n% note\n@b{two,\n x = {1}}\n")
    assert found == {"one": "@a{one, title = {A {B} {\\'e}}}", "two": "@b{two,\n x = {1}}"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@a{one, x = {1}", "does not end"),
        ("@a one", "does not end"),
        ("@a{x = {1}}", "no key"),
        ("@a{o,}@b{o,}", "twice"),
    ],
)
def test_broken_bibtex_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        split(text)
