"""Counting thresholds by drawers equals searching them, at every number that could tell them apart."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.quantizers import Codebook, number_formats, places

TABLES = {
    "signed": number_formats.dynamic(),
    "signed-8": number_formats.dynamic(8),
    "unsigned": number_formats.dynamic(signed=False),
    "unsigned-8": number_formats.dynamic(8, signed=False),
    "even": number_formats.linear_without_zero(),
    "even-8": number_formats.linear_without_zero(8),
    "nf4": number_formats.normal_float(),
    "one": (0.25,),
}
tables = pytest.mark.parametrize("values", TABLES.values(), ids=TABLES.keys())


def searched(u, thresholds):
    return torch.searchsorted(torch.tensor(thresholds, dtype=u.dtype), u, right=True)


def exact(values):
    """In float32, so that both sides compare with the same numbers."""
    return tuple(torch.tensor(values).tolist())


@tables
def test_equals_searching_at_and_around_every_threshold(values, rng):
    edges = torch.tensor(values)
    near = [edges, *(torch.nextafter(edges, torch.full_like(edges, to)) for to in (-9.0, 9.0))]
    ends = torch.tensor([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, torch.inf, -torch.inf])
    u = torch.cat([*near, -edges, ends, torch.randn(20_000, generator=rng), 1e-3 * torch.randn(2000, generator=rng)])
    assert places._drawers(exact(values)) is not None, "drawers are what makes it fast"
    assert torch.equal(places.count(u, exact(values)).long(), searched(u, exact(values)))
    assert places.count(u.view(2, -1)[:, ::3], exact(values)).shape == (2, -(-len(u) // 6))


@settings(max_examples=15)
@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20),
)
def test_any_numbers_and_thresholds(numbers, thresholds):
    edges = tuple(sorted(set(thresholds)))
    u = torch.tensor(numbers + list(edges))
    assert torch.equal(places.count(u, edges).long(), searched(u, edges))


def test_thresholds_too_close_for_drawers_are_searched():
    bits = torch.ones(()).view(torch.int32) + torch.arange(1, 4, dtype=torch.int32)
    edges = tuple(bits.view(torch.float32).tolist())
    assert places._drawers(edges) is None
    assert places.count(torch.tensor([0.5, 1.0, *edges, 2.0]), edges).tolist() == [0, 0, 1, 2, 3, 3]


def test_more_than_a_byte_of_thresholds():
    edges = tuple(float(k) for k in range(1, 301))
    u = torch.tensor([0.0, 1.0, 255.0, 256.5, 300.0])
    assert places.count(u, edges).tolist() == [0, 1, 255, 256, 300]


def test_other_precisions(rng):
    u = torch.randn(50, generator=rng, dtype=torch.float64)
    assert torch.equal(places.count(u, TABLES["even"]), searched(u, TABLES["even"]))


@tables
def test_the_quantizer_takes_the_nearest_level(values, rng):
    if len(values) < 2:
        return
    book, levels = Codebook(values=values), torch.tensor(values, dtype=torch.float64)
    u = torch.rand(5000, generator=rng) * 2 - 1
    chosen = (levels[book.nearest(u).long()] - u).abs()
    assert torch.all(chosen <= (levels[:, None] - u).abs().amin(0) + 1e-7)
