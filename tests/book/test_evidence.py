"""``book/equations.yml``: every label, statement, test, assertion, number and paper that it names exists."""

import ast
import re

import pytest
import yaml
from built_site import ROOT
from evidence import evidence, status
from executed import chapters

from workbench.cite import bibliography
from workbench.symbolic import ALL

BOOK = {chapter.name: chapter for chapter in chapters(ROOT)}
INDEX = yaml.safe_load((ROOT / "book" / "equations.yml").read_text("utf8"))
ENTRIES = [(name, label, entry) for name, part in INDEX.items() for label, entry in part.items()]
KEYS = {"proved", "page", "part", "verified", "claim", "quoted", "defined", "scope"}

each_chapter = pytest.mark.parametrize("name", INDEX)


def assertions(code: str) -> set[str]:
    """What the code asserts, in one spelling."""
    runnable = re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.MULTILINE)
    return {ast.unparse(node.test) for node in ast.walk(ast.parse(runnable)) if isinstance(node, ast.Assert)}


def names_of_numbers(code: str) -> list[str]:
    """Patterns of the names that claims of a chapter have: a name in braces stands for anything."""
    found = re.findall(r"wb\.(?:claim|recorded|quoted)\(\s*f?\"([^\"]+)\"", code)
    found += re.findall(r"^\s*f?\"([\w.{}-]+)\",?$", code, re.MULTILINE)
    return [".+".join(map(re.escape, re.split(r"\{[^}]*\}", name))) for name in found]


@each_chapter
def test_labels_are_those_of_the_chapter(name):
    labels = {label for label, _ in BOOK[name].equations()}
    assert set(INDEX[name]) <= labels, "no such equation in this chapter"


@each_chapter
def test_what_holds_them_exists(name):
    code = BOOK[name].source("code")
    statements, papers = {item.name for item in ALL}, bibliography()
    for label, entry in INDEX[name].items():
        assert set(entry) <= KEYS, label
        for kind, what in evidence(entry):
            if kind in ("proved", "part"):
                assert what in statements, f"{label}: no statement {what}"
            elif kind == "page":
                assert ast.unparse(ast.parse(what, mode="eval")) in assertions(code), f"{label}: no assertion {what}"
            elif kind == "claim":
                assert any(re.fullmatch(p, what) for p in names_of_numbers(code)), f"{label}: no number {what}"
            elif kind == "quoted":
                assert what in papers, f"{label}: no paper {what}"


@pytest.mark.parametrize("test", sorted({test for *_, entry in ENTRIES for test in entry.get("verified", ())}))
def test_tests_that_are_named_exist(test):
    path, function = test.split("::")
    tree = ast.parse((ROOT / path).read_text("utf8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_part_says_which_part_and_a_definition_nothing_else():
    for _, label, entry in ENTRIES:
        assert status(entry) != "stated", f"{label}: leave it out"
        assert "part" not in entry or "scope" in entry, f"{label}: say what is proved"
        assert "defined" not in entry or len(entry) == 1, f"{label}: a definition needs no proof"
