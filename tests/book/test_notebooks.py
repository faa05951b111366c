"""The form of a chapter: what every reader may rely on, whatever the topic."""

import ast
import json
import re

import pytest
from execute import ROOT, chapters

BANNED = {
    r"warnings\.(filterwarnings|simplefilter)|catch_warnings": "no warnings filter",
    r"torch\.manual_seed|np\.random\.|numpy\.random\.|random\.seed|torch\.seed": "every draw takes a torch.Generator",
}
SECTIONS = ("fail", "paper", "exercise", "summary", "reference")
CARD = ("exercise", "reference")
OPENING = ("fail", "exercise", "summary", "reference")  # shows what the book is about and measures it; nothing is derived yet
PARTS = {"core": SECTIONS, "reference": CARD, "opening": OPENING}

each_chapter = pytest.mark.parametrize("chapter", chapters())


GLUED = re.compile(r"\{glue:text\}`[\w.-]+(:[^`{}\s]+)?`")


def code(book) -> list[str]:
    return ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]


DRAWS = {f"torch.{name}" for name in ("rand", "randn", "randint", "randperm", "normal", "multinomial", "bernoulli")}


def runnable(source: str) -> str:
    """The cell without the lines that only IPython understands."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


def undetermined(source: str) -> list[str]:
    """Calls that draw from torch's global generator."""
    calls = [node for node in ast.walk(ast.parse(runnable(source))) if isinstance(node, ast.Call)]
    draws = [call for call in calls if ast.unparse(call.func) in DRAWS]
    return [ast.unparse(call) for call in draws if not any(word.arg == "generator" for word in call.keywords)]


def lines(source: str) -> int:
    """How many lines a reader sees, blank ones left out."""
    return sum(bool(line.strip()) for line in source.splitlines())


def text(book) -> str:
    return "\n\n".join("".join(c["source"]) for c in book["cells"] if c["cell_type"] == "markdown")


@each_chapter
def test_stored_without_outputs(chapter, notebook):
    for cell in notebook(chapter)["cells"]:
        assert not cell.get("outputs"), "strip it: jupyter nbconvert --clear-output --inplace"
        assert cell.get("execution_count") is None


@each_chapter
def test_metadata(chapter, notebook):
    book = notebook(chapter)["metadata"]["book"]
    assert book["level"] in PARTS
    assert isinstance(book["needs"], list)
    assert 2 <= len(book["goals"]) <= 6
    assert 1 <= book["read_min"] <= 60
    assert notebook(chapter)["metadata"]["kernelspec"]["name"] == "python3"


@each_chapter
def test_opens_with_title_question_and_imports(chapter, notebook):
    cells = notebook(chapter)["cells"]
    opening = re.sub(r"^\([\w-]+\)=\n", "", "".join(cells[0]["source"]))
    assert opening.startswith("# "), "the first cell is the title with its question"
    assert "?" in opening.split("\n", 1)[1], "the lead asks the chapter's one question"
    assert len(re.findall(r"^# ", text(notebook(chapter)), re.MULTILINE)) == 1
    shown = [c for c in cells if c["cell_type"] == "code" and "remove-cell" not in c["metadata"].get("tags", [])]
    first = "".join(shown[0]["source"])
    assert "import workbench as wb" in first
    assert "wb.__version__" in first, "the imports cell prints the version"
    for cell in shown[1:]:
        assert not re.search(r"^import (torch|numpy|workbench|sympy)\b", "".join(cell["source"]), re.MULTILINE)


@each_chapter
def test_cells_are_short_and_clean(chapter, notebook):
    for cell in notebook(chapter)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        hidden = "remove-cell" in cell["metadata"].get("tags", [])
        assert lines(source) <= 20, f"a cell of {lines(source)} lines:\n{source}"
        for pattern, rule in BANNED.items():
            assert not re.search(pattern, source), f"{rule}:\n{source}"
        assert not undetermined(source), f"every draw takes a torch.Generator:\n{undetermined(source)}"
        if re.search(r"\bpip\b", source):
            assert hidden, f"pip in a visible cell:\n{source}"
            assert re.search(r"except (ImportError|ModuleNotFoundError)|google\.colab", source), f"pip must be guarded:\n{source}"
    assert sum(bool(re.search(r"\bpip\b", source)) for source in code(notebook(chapter))) <= 1


@each_chapter
def test_anatomy(chapter, notebook):
    book = notebook(chapter)
    level = book["metadata"]["book"]["level"]
    headings = [h.lower() for h in re.findall(r"^##+ (.+)$", text(book), re.MULTILINE)]
    missing = [part for part in PARTS[level] if not any(part in heading for heading in headings)]
    assert not missing, f"no heading speaks of {missing}; there are {headings}"
    assert "{chapter-references}" in text(book)
    if level != "opening":
        assert any("assert" in source for source in code(book)), "a derivation ends in an assert"
        assert any(re.search(r"\bsp\.|wb\.symbolic", source) for source in code(book)), "the derivation is made with SymPy"
    if level != "reference":
        assert re.search(r"<details[^>]*>\s*<summary>", text(book)), "a prediction that works without a kernel"
        assert "wb-predict" in text(book)


@each_chapter
def test_measures_something(chapter, notebook):
    assert any("wb.claim(" in source for source in code(notebook(chapter))), "no wb.claim: nothing in the text is checked"


@each_chapter
def test_glued_numbers_are_closed(chapter, notebook):
    """A forgotten backtick would print the role and its name instead of the number."""
    words = text(notebook(chapter))
    asked = [words[hit.start() :][:120] for hit in re.finditer(r"\{glue:text\}", words)]
    broken = [start for start in asked if not GLUED.match(start)]
    assert not broken, f"write {{glue:text}}`name:format`, in one line: {broken}"


@each_chapter
def test_exercises_have_solutions(chapter, notebook):
    words = text(notebook(chapter))
    exercises = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n(?:.*\n)*?:label:\s*(\S+)", words)
    solved = re.findall(r"\{solution(?:-start)?\}\s*(\S+)", words)
    least = 4 if notebook(chapter)["metadata"]["book"]["level"] == "core" else 2
    assert len(exercises) >= least, f"{len(exercises)} exercises; at least {least} are needed"
    assert set(exercises) <= set(solved), f"no solution for {sorted(set(exercises) - set(solved))}"


def test_one_opening():
    """It stands first and builds on nothing: whoever opens the book can read it."""
    books = [json.loads((ROOT / f"{chapter}.ipynb").read_text("utf8"))["metadata"]["book"] for chapter in chapters()]
    assert [book["level"] for book in books].count("opening") == 1
    assert books[0]["level"] == "opening" and books[0]["needs"] == []


def test_the_rules_themselves():
    assert GLUED.match("{glue:text}`a.b-c:.1%` of") and not GLUED.match("{glue:text}`a:.1f} times `b`")
    assert undetermined("x = torch.randn(3)\n%pip list") == ["torch.randn(3)"]
    assert undetermined("x = torch.randn(\n    3, generator=rng\n)") == []
    assert lines("x = 1\ny = (\n    2,\n    3,\n)\n\n# a remark\n") == 6
