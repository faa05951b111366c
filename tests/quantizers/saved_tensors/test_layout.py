"""Views of the same memory are recognized, and come back as they were."""

import pytest
import torch

from workbench.quantizers.saved_tensors.layout import in_memory_order

base = torch.arange(24.0).view(2, 3, 4)


@pytest.mark.parametrize(
    "x",
    [
        base,
        base.mT,
        base.flatten(),
        base.permute(2, 0, 1),
        base[None].expand(5, 2, 3, 4),
        base.flatten()[:, None].expand(24, 3),
        base[:, 0:0],
    ],
    ids=["plain", "transposed", "flat", "permuted", "repeated in front", "repeated behind", "empty"],
)
def test_there_and_back(x):
    flat, layout, place, _ = in_memory_order(x)
    assert flat.ndim == 1 and torch.equal(layout.view(flat.clone()), x)
    if x.numel():
        assert place == in_memory_order(base)[2] and flat.numel() == 24


@pytest.mark.parametrize("x", [base[:, :2], base[..., ::2], base[1], base[0, 0], torch.tensor(3.0)])
def test_other_numbers_have_another_place(x):
    flat, layout, place, _ = in_memory_order(x)
    assert torch.equal(layout.view(flat.clone()), x) and place != in_memory_order(base)[2]


def test_a_change_in_place_is_another_place_and_so_is_another_dtype():
    x = torch.zeros(4)
    before = in_memory_order(x)[2]
    assert in_memory_order(x.view(torch.int32))[2] != before
    x.add_(1)
    assert in_memory_order(x)[2] != before


def test_memory_that_is_used_again_is_another_place():
    places, references = set(), []
    for _ in range(50):
        _, _, place, reference = in_memory_order(torch.zeros(1000))
        places.add(place)
        references.append(reference)
    assert len(places) == 50
