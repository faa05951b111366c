"""The recorded accuracy table reads as it was written."""

import math

import pytest
import torch

import workbench as wb

FACTS = {
    "budgets": [5, 10],
    "methods": ["DDIM()", "DDPM()"],
    "grids": ["uniform", "karras"],
    "tables": [
        {
            "law": "a",
            "schedule": "VP",
            "error": "path",
            "stop": "0",
            "errors": [[[0.4, 0.2], [0.8, 0.1]], [[None, None], [None, 0.3]]],
        },
        {
            "law": "b",
            "schedule": "VP",
            "error": "path",
            "stop": "0",
            "errors": [[[1.0, 0.5], [2.0, 1.0]], [[None, None], [4.0, 0.25]]],
        },
    ],
    "diffusers": [{"law": "a", "errors": [0.6, None]}, {"law": "a", "errors": [0.5, 0.7]}],
}
TABLE = wb.artifacts.AccuracyTable(FACTS)


def test_entries_are_found_by_name():
    assert TABLE.look_up("DDIM()", "karras", 10, "a") == 0.1 and TABLE.look_up("DDPM()", "karras", 5, "b") == 4.0
    assert math.isinf(TABLE.look_up("DDPM()", "uniform", 5, "a"))
    assert TABLE.errors("a").shape == (2, 2, 2) and TABLE.errors("a").dtype == torch.float64
    assert TABLE.keys == [("a", "VP", "path", "0"), ("b", "VP", "path", "0")]


def test_the_best_of_diffusers_skips_failures():
    assert TABLE.best_of_diffusers("a", 5) == 0.5 and TABLE.best_of_diffusers("a", 10) == 0.7
    with pytest.raises(ValueError, match="was not run on 'b'; it was on a"):
        TABLE.best_of_diffusers("b", 5)


def test_regret_is_the_largest_ratio_to_the_best():
    regrets = TABLE.regrets(TABLE.keys, 10)
    torch.testing.assert_close(regrets, torch.tensor([[2.0, 4.0], [math.inf, 3.0]], dtype=torch.float64))
    assert TABLE.argmin(regrets) == ("DDIM()", "uniform") and TABLE.argmin(-regrets) == ("DDPM()", "uniform")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("Heun()", "karras", 5, "a"), "method 'Heun\\(\\)' was not recorded; there are DDIM"),
        (("DDIM()", "cosine", 5, "a"), "grid 'cosine' was not recorded"),
        (("DDIM()", "karras", 7, "a"), "budget 7 was not recorded; there are 5, 10"),
        (("DDIM()", "karras", 5, "c"), "no table \\('c', 'VP', 'path', '0'\\) was recorded"),
    ],
)
def test_what_was_not_recorded_is_refused(place, message):
    with pytest.raises(ValueError, match=message):
        TABLE.look_up(*place)


def test_the_shipped_table():
    table = wb.artifacts.AccuracyTable(wb.artifacts.load("solver-accuracy"))
    assert len(table.keys) == len(set(table.keys)) > 10
    for key in table.keys:
        errors = table.errors(*key)
        assert errors.shape == (len(table.methods), len(table.grids), len(table.budgets))
        assert (errors > 0).all() and errors.isfinite().double().mean() > 0.5
