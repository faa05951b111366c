"""Everyday formats: sizes of what they are known to be good and bad at, and pictures in whole numbers."""

import pytest
import torch

from workbench.quantizers.integer_flows.yardsticks import halved, sheet, yardsticks


def test_constant_pictures_cost_nothing_and_noise_costs_eight_bits(rng):
    flat = yardsticks(torch.full((16, 3, 16, 16), 77, dtype=torch.uint8))
    noise = yardsticks(torch.randint(0, 256, (16, 3, 16, 16), generator=rng, dtype=torch.uint8))
    assert {"zlib", "lzma", "PNG"} <= set(flat) == set(noise)
    assert max(flat.values()) < 0.2 and all(7.9 < bits < 8.4 for bits in noise.values())


def test_the_sheet_holds_every_picture():
    x = torch.arange(6 * 3 * 2 * 2, dtype=torch.uint8).view(6, 3, 2, 2)
    whole = torch.from_numpy(sheet(x))
    assert whole.shape == (4, 6, 3)
    for k in range(6):
        row, column = divmod(k, 3)
        assert torch.equal(whole[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].permute(2, 0, 1), x[k])


def test_halving_rounds_to_nearest_and_halves_up():
    x = torch.tensor([[0, 1, 255, 255], [0, 1, 255, 254]], dtype=torch.uint8)[None, None]
    assert halved(x).tolist() == [[[[1, 255]]]]
    assert halved(torch.tensor([[0, 0], [0, 1]], dtype=torch.uint8)[None, None]).item() == 0


def test_errors():
    with pytest.raises(ValueError, match="at least one"):
        yardsticks(torch.zeros(0, 3, 4, 4, dtype=torch.uint8))
