"""Claims: what holds, what is refused, and what a notebook and a built page make of them."""

import math
import sys

import nbformat
import pytest
import torch
from nbclient import NotebookClient

import workbench as wb
from workbench.claim import PREFIX, claim, quoted, recorded


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(sys.modules["workbench.claim"], "_places", {})


def test_returns_the_value_and_prints_one_line(capsys):
    value = claim("ddim-order", torch.tensor(1.98, dtype=torch.float64), 2, tol=0.05)
    assert isinstance(value, float)
    assert value == 1.98
    assert capsys.readouterr().out == "run: ddim-order = 1.98 (expected 2 ± 0.05)\n"


@pytest.mark.parametrize(
    "limits",
    [
        {"expect": 1, "tol": 0.5},
        {"expect": 1.5, "tol": 0},
        {"expect": 2, "rel": 0.25},
        {"expect": -2, "rel": 2},
        {"at_most": 1.5},
        {"at_least": 1.5},
        {"at_most": 2, "at_least": 1},
    ],
)
def test_holds(limits):
    assert claim("n", 1.5, **limits) == 1.5


@pytest.mark.parametrize("limits", [{"expect": 1, "tol": 0.49}, {"expect": 2, "rel": 0.24}, {"at_most": 1.49}, {"at_least": 1.51}])
def test_fails_with_everything_needed_to_understand(limits):
    with pytest.raises(AssertionError, match=r"claim 'n' does not hold: value 1\.5, expected"):
        claim("n", 1.5, **limits)


@pytest.mark.parametrize("limits", [{"expect": 1, "tol": 9.0}, {"at_most": 1}, {"at_least": 1}])
def test_nan_never_holds(limits):
    with pytest.raises(AssertionError, match="nan"):
        claim("n", math.nan, **limits)


@pytest.mark.parametrize("name", ["", "Order", "two words", "a:b", "-a", "a-", "1a", "a--b", "ä"])
def test_bad_names_are_refused(name):
    with pytest.raises(ValueError, match="claim name"):
        claim(name, 1, 1, tol=0)


def test_a_name_stands_for_one_number():
    claim("n", 1, 1, tol=0)
    for again in (lambda: claim("n", 1, 1, tol=0), lambda: quoted("n", 1, source="ho2020ddpm")):
        with pytest.raises(ValueError, match="used before"):
            again()


def test_a_failed_claim_may_be_tried_again():
    with pytest.raises(AssertionError):
        claim("n", 2, 1, tol=0)
    claim("n", 1, 1, tol=0)


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"expect": 1},
        {"tol": 1},
        {"expect": 1, "tol": 1, "rel": 1},
        {"expect": 1, "tol": 1, "at_most": 2},
        {"at_most": 1, "tol": 1},
        {"expect": 1, "tol": -1},
        {"expect": 1, "tol": math.nan},
        {"at_least": 2, "at_most": 1},
    ],
)
def test_unclear_expectations_are_refused(limits):
    with pytest.raises(ValueError, match=r"^n: "):
        claim("n", 1, **limits)


def test_more_than_one_number_is_refused():
    with pytest.raises(TypeError, match="reduce it first"):
        claim("n", torch.zeros(2), 0, tol=1)


def test_sources_are_checked(capsys):
    assert quoted("fid", 1.97, source="karras2022edm") == 1.97
    assert recorded("overhead", 1.2, artifact="cifar10-facts") == 1.2
    assert capsys.readouterr().out.splitlines() == [
        "quoted: fid = 1.97 (quoted from karras2022edm)",
        "recorded: overhead = 1.2 (recorded in cifar10-facts)",
    ]
    with pytest.raises(ValueError, match="bib key"):
        quoted("fid-2", 1, source="Karras et al.")
    with pytest.raises(ValueError, match="say where"):
        recorded("overhead-2", 1, artifact=" ")


@pytest.mark.parametrize(
    "artifact", [*wb.artifacts.available(), "artifacts/cifar10-facts.json", "workbench/artifacts/manifest.json"]
)
def test_a_recorded_number_is_kept_in_an_artifact_or_a_file(artifact):
    assert recorded("kept", 1.0, artifact=artifact) == 1.0


@pytest.mark.parametrize(
    "artifact", ["cifar11-facts", "benchmarks/results/never.json", "artifacts", "../claim.py", "/tests/test_claim.py"]
)
def test_an_artifact_that_is_not_there_is_refused_and_the_name_stays_free(artifact):
    with pytest.raises(ValueError, match=rf"^kept: artifact .* is none of {', '.join(wb.artifacts.available())}"):
        recorded("kept", 1.0, artifact=artifact)
    assert recorded("kept", 1.0, artifact="cifar10-facts") == 1.0


def test_a_source_that_the_bibliography_lacks_is_refused_and_the_name_stays_free():
    with pytest.raises(ValueError, match=r"^fid: source 'karras2022emd' is not in .*perhaps 'karras2022edm' is meant"):
        quoted("fid", 1.97, source="karras2022emd")
    assert quoted("fid", 1.97, source="karras2022edm") == 1.97


@pytest.fixture(scope="module")
def notebook():
    """A notebook with one claim of each kind, executed once."""
    book = nbformat.v4.new_notebook()
    sources = [
        "from workbench.claim import claim, quoted, recorded",
        "claim('ddim-order', 1.98765, 2, tol=.05)",
        "quoted('fid', 1.97, source='karras2022edm')\nrecorded('overhead', 1.25, artifact='cifar10-facts')",
        "try:\n    claim('ddim-order', 1, 1, tol=0)\nexcept ValueError as error:\n    print('refused', error)",
    ]
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    text = "# Page\n\nOrder {glue:text}`ddim-order:.3f`, FID {glue:text}`fid:.2f`, time {glue:text}`overhead`."
    book.cells.insert(0, nbformat.v4.new_markdown_cell(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_STATIC", "1")
        NotebookClient(book, timeout=120, kernel_name="python3").execute()
    return book


def test_a_notebook_shows_each_number_once_and_records_it(notebook):
    line, record = notebook.cells[2].outputs
    assert line.data["text/plain"] == "run: ddim-order = 1.98765 (expected 2 ± 0.05)"
    assert "wb-claim-run" in line.data["text/html"]
    assert 'id="number-ddim-order"' in line.data["text/html"], "the ledger links to it"
    assert record.data == {f"{PREFIX}text/plain": "1.98765"}
    assert record.metadata["scrapbook"] == {"name": "ddim-order", "mime_prefix": PREFIX}
    assert record.metadata["workbench"] == {"kind": "run", "expect": 2.0, "tol": 0.05}
    kinds = [output.metadata.get("workbench", {}).get("kind") for output in notebook.cells[3].outputs]
    assert kinds == [None, "quoted", None, "recorded"]
    assert notebook.cells[4].outputs[0].text.startswith("refused claim name 'ddim-order' was used before")


def test_the_built_page_quotes_the_run(notebook, tmp_path):
    build = pytest.importorskip("sphinx.cmd.build")
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_nb']\nnb_execution_mode = 'off'\nroot_doc = 'page'\nhtml_theme = 'basic'\n"
    )
    nbformat.write(notebook, tmp_path / "page.ipynb")
    out = tmp_path / "out"
    assert build.main(["-q", "-W", "-b", "html", str(tmp_path), str(out)]) == 0
    page = (out / "page.html").read_text()
    for quoted_text in ("1.988", "1.97", "1.25"):
        assert f'<span class="pasted-text">{quoted_text}</span>' in page
    assert "papermill" not in page


def test_in_a_live_kernel_a_cell_may_run_again(monkeypatch):
    class Shell:
        execution_count = 1

    shell = Shell()
    monkeypatch.setattr(sys.modules["workbench.claim"], "shell", lambda: shell)
    monkeypatch.setattr("IPython.display.display", lambda *args, **kwargs: None)
    monkeypatch.delenv("WORKBENCH_STATIC", raising=False)
    claim("n", 1, 1, tol=0)
    with pytest.raises(ValueError, match="used before"):
        claim("n", 1, 1, tol=0)
    shell.execution_count = 2
    claim("n", 1, 1, tol=0)
