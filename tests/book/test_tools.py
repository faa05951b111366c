"""The tools that execute and stage: once, metered, never stale, and honest about addresses."""

import builtins
import json
import os
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import execute
import figures
import pytest
import site_table
import stage
import yaml

NOTEBOOK = {
    "cells": [{"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": ""}],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def book_of(root, **sources):
    """A small book with one chapter for each source."""
    files = [f"      - file: notebooks/part/{name}" for name in sources]
    (root / "_toc.yml").write_text("root: book/index\nparts:\n  - caption: Part\n    chapters:\n" + "\n".join(files))
    folder = root / "notebooks" / "part"
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        notebook = json.loads(json.dumps(NOTEBOOK))
        notebook["cells"][0]["source"] = source
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))


def run(root, *arguments, **environment) -> subprocess.CompletedProcess:
    """``execute.py`` as the Makefile calls it, on another root."""
    command = [sys.executable, execute.__file__, "--jobs", "1", *arguments]
    environment = {**os.environ, "BOOK_ROOT": str(root), **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def record(root, name) -> dict:
    path = root / "_build" / "runs" / "notebooks" / "part" / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def test_runs_once_and_again_only_after_a_change(tmp_path):
    """The first run also shows that a kernel has one thread, whatever the environment says."""
    one = "import os\nassert os.environ['OMP_NUM_THREADS'] == os.environ['MKL_NUM_THREADS'] == '1'\nprint(6 * 7)"
    book_of(tmp_path, one=one)
    first = run(tmp_path, OMP_NUM_THREADS="4")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "0 unchanged" in first.stdout
    done = json.loads((tmp_path / "_build/runs/notebooks/part/one.ipynb").read_text())
    assert done["cells"][0]["outputs"][0]["text"] == ["42\n"]
    reading = record(tmp_path, "one")
    assert reading["peak_mb"] > 20
    assert 0 < reading["seconds"] <= reading["wall_seconds"] + 5
    assert not json.loads((tmp_path / "notebooks/part/one.ipynb").read_text())["cells"][0]["outputs"]

    again = run(tmp_path)
    assert "1 unchanged" in again.stdout
    assert record(tmp_path, "one") == reading

    (tmp_path / "workbench").mkdir()
    (tmp_path / "workbench" / "new.py").write_text("x = 1")
    changed = run(tmp_path)
    assert "0 unchanged" in changed.stdout
    assert record(tmp_path, "one")["key"] != reading["key"]


def test_a_chapter_finds_what_a_reader_on_binder_has(tmp_path):
    """``importlib`` and ``import`` alike; what is hidden is installed here, as this test could import it."""
    good = "import numpy, torch, matplotlib.pyplot, ipywidgets, safetensors.torch\nfrom IPython.display import HTML"
    look = "import importlib.util\nassert importlib.util.find_spec('pytest') is None and importlib.util.find_spec('torch')\nassert 'sys' not in globals()"
    book_of(tmp_path, good=f"{good}\n{look}", leans="import pytest")
    done = run(tmp_path)
    assert done.returncode == 1 and "No module named 'pytest'" in done.stdout, done.stdout + done.stderr
    assert record(tmp_path, "good") and not record(tmp_path, "leans")


def test_failures_stop_the_book_and_leave_no_record(tmp_path):
    """A claim that does not hold, a chapter that takes too much memory, and, in a run of its own, one that takes too long."""
    heavy = "x = bytearray(80_000_000)\nsum(range(10_000_000))"
    book_of(tmp_path, bad="assert False, 'the claim does not hold'", heavy=heavy)
    failed = run(tmp_path, BOOK_MEMORY_MB="60")
    assert failed.returncode == 1
    assert "the claim does not hold" in failed.stdout and "the budget is 60 MB" in failed.stdout
    assert record(tmp_path, "bad") == record(tmp_path, "heavy") == {}

    book_of(tmp_path, heavy=heavy)
    slow = run(tmp_path, BOOK_SECONDS="0.01")
    assert slow.returncode == 1
    assert "the budget is 0.0" in slow.stdout  # longer on a slow machine
    assert record(tmp_path, "heavy") == {}


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://github.com/o/few-steps.few", "https://github.com/o/few-steps.few"),
        ("git@github.com:o/p.git", "https://github.com/o/p"),
        ("https://gitlab.com/o/p/", "https://gitlab.com/o/p"),
        ("/somewhere/p.git", None),
        ("http://127.0.0.1:3000/o/p.git", None),
        ("file:///somewhere/p", None),
        ("git@example:o/p", None),
    ],
)
def test_launch_buttons_need_a_public_address(address, found, monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", address)
    assert stage.repository() == found
    config = stage._config()
    assert bool(config.get("launch_buttons")) is bool(found)
    assert config["repository"]["url"] == (found or "")
    form = "/issues/new?template=erratum.yml" in config["parse"]["myst_substitutions"]["report_an_error"]
    assert form is bool(found and "github" in found)
    if found and "github" in found:
        assert config["launch_buttons"]["binderhub_url"]


def test_the_form_for_errata_asks_what_makes_a_report_quick_to_act_on():
    form = yaml.safe_load((execute.ROOT / ".github" / "ISSUE_TEMPLATE" / "erratum.yml").read_text("utf8"))
    fields = {field["id"]: field.get("validations", {}).get("required", False) for field in form["body"]}
    assert {"version": True, "chapter": True, "equation": False, "wrong": True, "right": True}.items() <= fields.items()
    assert "book/errata" in execute.pages()


@pytest.mark.parametrize("chapter", execute.chapters())
def test_published_chapters_install_the_package_from_a_known_address_only(chapter):
    before = json.loads((execute.ROOT / f"{chapter}.ipynb").read_text("utf8"))
    assert stage.installing(before, None, "main") == before
    after = stage.installing(before, "https://github.com/o/p", "v0.1.0")
    (changed,) = [k for k, cell in enumerate(before["cells"]) if after["cells"][k] != cell]
    guard = "".join(before["cells"][changed]["source"])
    assert changed == 1, "the first code cell"
    assert "%pip install -q git+https://github.com/o/p@v0.1.0" in after["cells"][changed]["source"]
    assert "ImportError" in after["cells"][changed]["source"]
    assert "<address" not in json.dumps(after)
    with pytest.raises(ImportError, match="workbench is not installed here: run  %pip install"):
        exec(guard, {"__builtins__": {**vars(builtins), "__import__": missing}})


def missing(name, *rest):
    raise ImportError(f"No module named {name!r}")


def test_staging_writes_the_installing_chapter(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", "https://github.com/o/p")
    monkeypatch.setenv("BOOK_REF", "v9")
    runs, chapter = tmp_path / "runs", execute.chapters()[0]
    (runs / chapter).parent.mkdir(parents=True)
    shutil.copy(execute.ROOT / f"{chapter}.ipynb", runs / f"{chapter}.ipynb")
    monkeypatch.setattr(stage, "RUNS", runs)
    monkeypatch.setattr(stage, "SOURCE", tmp_path / "source")
    monkeypatch.setattr(stage, "chapters", lambda: [chapter])
    monkeypatch.setattr(stage, "record_of", lambda chapter: {"seconds": 1})
    assert stage.main() == 0
    text = (tmp_path / "source" / f"{chapter}.ipynb").read_text("utf8")
    assert "%pip install -q git+https://github.com/o/p@v9" in text
    assert json.loads(text)["metadata"] == json.loads((execute.ROOT / f"{chapter}.ipynb").read_text("utf8"))["metadata"]


def test_api_pages_name_every_public_part(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "SOURCE", tmp_path)
    stage._api_pages()
    names = {path.stem for path in (tmp_path / "book" / "api").glob("*.md")}
    assert {"schedules", "solvers", "denoiser", "grids"} <= names
    assert ".. automodule:: workbench.schedules.vp\n" in (tmp_path / "book/api/schedules.md").read_text()


def test_staging_refuses_what_did_not_run(monkeypatch, capsys):
    monkeypatch.setattr(stage, "chapters", lambda: ["notebooks/part/never"])
    assert stage.main() == 1
    assert "notebooks/part/never" in capsys.readouterr().out


def test_pages_are_in_reading_order():
    order = execute.pages()
    assert order[0] == "book/index"
    assert order.index("book/how_to_run") < order.index("book/glossary")


def test_the_table_of_pages_sums_and_keeps_the_worst():
    def report(when="call", **measured):
        return SimpleNamespace(when=when, user_properties=[("page", measured), ("other", 1)])

    reports = [
        report(page="b", html=7, weight=9, errors=1),
        report(page="b", axe=1),
        report(page="b", axe=2),
        report(page="a", html=8),
    ]
    found = site_table.rows([*reports, report("teardown", page="b", axe=100)])
    assert found == {"a": {"html": 8}, "b": {"html": 7, "weight": 9, "errors": 1, "axe": 3}}
    lines = site_table.markdown(found).splitlines()
    assert lines[2].startswith("| a | 8 | - |") and lines[-1].startswith("| 2 pages | most 8 | most 9 |") and "sum 3" in lines[-1]


def test_figures_become_files_with_their_words(tmp_path):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC"
    text = (
        f'<figure class="wb-figure" style="margin:0"><img src="data:image/png;base64,{pixel}" alt="One &amp; only pixel"'
        " width=1><figcaption>A &lt;dot&gt;</figcaption></figure>"
    )
    cells = (
        {"cell_type": "markdown", "source": "# Dots"},
        {"cell_type": "code", "source": "", "outputs": [{"data": {"text/html": [text]}}, {"data": {"text/plain": "no figure"}}]},
        {"cell_type": "code", "source": "", "outputs": [{"data": {"text/html": text}}]},
    )
    found = list(figures.figures(figures.Chapter("part/dots", "Part", {}, cells)))
    assert [(f.file, f.alt, f.caption) for f in found] == [(f"part/dots-0{k}.png", "One & only pixel", "A <dot>") for k in (1, 2)]
    archive = figures.write(found, tmp_path / "figures")
    assert (tmp_path / "figures/part/dots-02.png").read_bytes()[:4] == b"\x89PNG" and archive.suffix == ".zip"
    page = (tmp_path / "figures/index.html").read_text("utf8")
    assert page.count('alt="One &amp; only pixel"') == 2 and "CC BY 4.0" in page and "<h2>Dots</h2>" in page
    with zipfile.ZipFile(archive) as files:
        assert "part/dots-01.png" in files.namelist()
