"""Blocks against loops over slices."""

import itertools

import pytest
import torch

from workbench.quantizers import blocks

CASES = [
    ((7,), None),
    ((7,), (3,)),
    ((4, 6), (1, -1)),
    ((4, 6), (-1, 1)),
    ((4, 7), (1, 3)),
    ((5, 7), (2, 3)),
    ((5, 7), (32, 32)),
    ((5, 7), (3,)),
    ((3, 5, 4), (None, 2, 3)),
    ((3, 5, 4), (-1,)),
    ((2, 3, 4, 5), (1, 2, -1, 4)),
    ((), None),
    ((), ()),
    ((0,), (4,)),
    ((3, 0), (1, -1)),
    ((0, 3), (2, 2)),
]
cases = pytest.mark.parametrize(("shape", "block"), CASES, ids=str)


def slices(shape, block):
    """Every block as a tuple of slices, in the order of the grid."""
    sides = blocks.sides(shape, block)
    starts = [range(0, n, side) for n, side in zip(shape, sides, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(slice(c, c + side) for c, side in zip(corner, sides, strict=True))


@cases
@pytest.mark.parametrize("fill", ["edge", "zero"])
def test_cells_hold_the_blocks(shape, block, fill, rng):
    x = torch.randn(shape, generator=rng)
    found = blocks.cells(x, block, fill)
    assert found.shape[:-1] == blocks.grid(shape, block)
    for cell, where in zip(found.reshape(-1, found.shape[-1]), slices(shape, block), strict=True):
        part = x[where]
        if fill == "edge":
            assert cell.amin() == part.amin() and cell.amax() == part.amax()
        else:
            torch.testing.assert_close(cell.sum(), part.sum())
            assert int((cell != 0).sum()) == part.numel()


@cases
def test_spread_gives_every_entry_its_block(shape, block):
    values = torch.arange(len(list(slices(shape, block))), dtype=torch.float32).view(blocks.grid(shape, block))
    full = blocks.spread(values, shape, block).expand(shape)
    for number, where in enumerate(slices(shape, block)):
        assert bool((full[where] == number).all())


def test_a_short_tuple_is_about_the_last_axes():
    assert blocks.sides((4, 6), (3,)) == blocks.sides((4, 6), (1, 3)) == (1, 3)
    assert blocks.sides((2, 4, 6), (-1,)) == (1, 1, 6)


@pytest.mark.parametrize("wrong", ["row", 3, (1, 2.0), (True,)])
def test_what_is_no_block(wrong):
    with pytest.raises(TypeError):
        blocks.check(wrong)


def test_errors():
    for wrong in [(0,), (-2, 1)]:
        with pytest.raises(ValueError, match="at least 1, or -1 for a whole axis"):
            blocks.check(wrong)
    with pytest.raises(ValueError, match="has 2 axes, and the tensor only 1"):
        blocks.sides((5,), (1, 32))
