"""One line of the scoreboard: its error, its price, its refusals."""

import pytest
import torch

import workbench as wb

EXACT = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])


def test_error_is_measured_in_standard_deviations_of_the_exact_pictures(capsys):
    assert wb.scoreboard("exact", EXACT, EXACT, evaluations=0) == 0
    assert wb.scoreboard("gray", torch.zeros(2, 2), EXACT, evaluations=0) == pytest.approx(1)
    assert wb.scoreboard("off", EXACT * 10 + 5.0, EXACT * 10, evaluations=0) == pytest.approx(0.5)
    assert "gray: 0 evaluations, error 1;" in capsys.readouterr().out


def test_price_counts_evaluations_bits_and_parameters(capsys):
    wb.scoreboard("DDIM", EXACT, EXACT, evaluations=10, bits=8, parameters=2_000_000)
    assert "price 10 x 8 bits x 2,000,000 parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pictures", "exact", "counts", "message"),
    [
        (EXACT[:1], EXACT, {"evaluations": 1}, "must have one shape"),
        (EXACT, EXACT, {"evaluations": -1}, "evaluations, parameters >= 0"),
        (EXACT, EXACT, {"evaluations": 1, "bits": 0}, "bits >= 1"),
        (EXACT, EXACT * 0, {"evaluations": 1}, "all one gray"),
        (EXACT, EXACT * float("nan"), {"evaluations": 1}, "not finite"),
    ],
)
def test_refusals(pictures, exact, counts, message):
    # shapes that differ are caught by the annotations first, where these are enforced
    with pytest.raises(Exception, match=f"{message}|violates type hint"):
        wb.scoreboard("x", pictures, exact, **counts)


def test_in_a_notebook_the_line_carries_its_numbers():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    source = (
        "import torch, workbench as wb\nx = torch.tensor([[-1.0, 1.0]])\nwb.scoreboard('half <b>', x / 2, x, evaluations=4, bits=8)"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(book, kernel_name="python3", timeout=120).execute()
    (output,) = book.cells[0].outputs
    assert output["metadata"]["workbench"] == {
        "kind": "scoreboard", "method": "half <b>", "evaluations": 4, "bits": 8, "parameters": 0, "error": 0.5, "price": 32,
    }  # fmt: skip
    assert "half &lt;b&gt;" in output["data"]["text/html"]
