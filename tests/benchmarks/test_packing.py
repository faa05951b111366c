"""The packing benchmark: both sides of a ratio work on the same codes, and goals are judged."""

import pytest
import torch

from benchmarks import packing


def test_both_sides_do_what_they_are_called():
    found = packing.pairs(256)
    for bits in (1, 2, 4, 8):
        ours, copied = found[f"pack, {bits} bits"]
        back, _ = found[f"unpack, {bits} bits"]
        assert len(ours()) == 256 * bits // 8 and copied().shape == (256,) and torch.equal(back(), copied())
    assert set(packing.GOALS) <= set(found)


@pytest.mark.parametrize(("times", "expected"), [((1, 1), "met"), ((60, 1), "missed")])
def test_a_row_and_its_verdict(times, expected):
    x = torch.ones(1000)
    ours, other = (lambda: [x.exp() for _ in range(times[0])]), (lambda: [x.exp() for _ in range(4 * times[1])])
    row = packing.measure("pack, 4 bits", ours, other, 3, 1e-4)
    assert row["goal"] == expected and (row["ratio"] < 2) == (expected == "met")
    assert packing.measure("pack, 2 bits", ours, other, 1, 1e-5)["goal"] == ""
