"""The map: exact answers on a line and for two points, the law of its objective, and blends without jumps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from workbench.transport import SemiDiscrete, on_a_line

NORMAL = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(n: int, d: int = 2, seed: int = 0):
    return torch.randn(n, d, generator=seeded(seed), dtype=torch.float64)


def cells(n: int = 6, d: int = 2, seed: int = 1) -> SemiDiscrete:
    return SemiDiscrete(gaussian(n, d, seed), 0.3 * gaussian(n, 1, seed + 1)[:, 0])


def test_the_map_is_the_gradient_of_its_potential() -> None:
    transport, x = cells(), gaussian(200)
    for step in torch.eye(2, dtype=torch.float64):
        slope = (transport.potential(x + 1e-7 * step) - transport.potential(x - 1e-7 * step)) / 2e-7
        torch.testing.assert_close(slope, transport.blend(x) @ step, rtol=0, atol=1e-6)
    table = x @ transport.points.T + transport.heights
    assert torch.equal(transport.cell(x), table.argmax(1)) and torch.allclose(transport.potential(x), table.amax(1))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(0, 99))
def test_on_a_line_the_walls_are_quantiles(n, seed) -> None:
    points = gaussian(n, 1, seed)
    shares = torch.rand(n, generator=seeded(seed), dtype=torch.float64) + 0.1
    shares = shares / shares.sum()
    transport = on_a_line(points, NORMAL.icdf, shares)
    order = points[:, 0].argsort()
    walls = NORMAL.icdf(shares[order].cumsum(0)[:-1])
    near = torch.stack([walls - 1e-9, walls + 1e-9])[..., None]
    for side in (0, 1):
        assert torch.equal(transport.cell(near[side]), order[side : n - 1 + side])
    assert abs(transport.heights.mean().item()) < 1e-12


def test_two_points_share_the_plane_along_a_line() -> None:
    """Raising one height by c moves the wall, at right angles to the line between the points, by c / their distance."""
    points = torch.tensor([[1.0, 2.0], [-2.0, -2.0]], dtype=torch.float64)
    for rise in (-2.0, 0.0, 1.5):
        transport = SemiDiscrete(points, torch.tensor([rise, 0.0], dtype=torch.float64))
        x = gaussian(4000)
        along = x @ (points[0] - points[1]) / 5
        assert torch.equal(transport.cell(x) == 0, along > -rise / 5)
        mass = NORMAL.cdf(torch.tensor(rise / 5, dtype=torch.float64)).item()
        assert transport.masses(x)[0].item() == pytest.approx(mass, abs=4 * math.sqrt(mass * (1 - mass) / 4000))


def test_the_objective_is_convex_and_its_gradient_counts() -> None:
    transport, x = cells(), gaussian(501)
    gradient = transport.masses(x) - transport.shares
    moved = SemiDiscrete(transport.points, transport.heights + 1e-7 * gaussian(6, 1, 3)[:, 0])
    change = (moved.objective(x) - transport.objective(x)) / 1e-7
    assert change == pytest.approx((gradient @ gaussian(6, 1, 3)[:, 0]).item(), abs=1e-6)
    far = SemiDiscrete(transport.points, gaussian(6, 1, 4)[:, 0])
    for part in (0.2, 0.5, 0.9):
        between = SemiDiscrete(transport.points, (1 - part) * transport.heights + part * far.heights)
        assert between.objective(x) <= (1 - part) * transport.objective(x) + part * far.objective(x) + 1e-12


def test_no_coupling_beats_the_objective() -> None:
    """Weak duality, against the best assignment of 120 samples to 6 points, 20 times each."""
    x, transport = gaussian(120), cells()
    gain = (x @ transport.points.T).repeat_interleave(20, dim=1)
    rows, columns = linear_sum_assignment(gain.numpy(), maximize=True)
    best = gain[rows, columns].mean().item()
    for seed in range(5):
        assert SemiDiscrete(transport.points, gaussian(6, 1, seed)[:, 0]).objective(x) >= best - 1e-12


def test_a_blend_does_not_jump() -> None:
    transport = cells(12)
    line = torch.stack([torch.linspace(-3, 3, 20001, dtype=torch.float64), torch.full((20001,), 0.3, dtype=torch.float64)], 1)
    jumps = {k: transport.blend(line, k).diff(dim=0).norm(dim=1).max().item() for k in (1, 2, 3, 11)}
    assert jumps[1] > 0.1 and max(jumps[2], jumps[3], jumps[11]) < 0.05
    x = gaussian(50)
    low, high = transport.points.amin(0), transport.points.amax(0)
    assert bool(((transport.blend(x, 3) >= low - 1e-12) & (transport.blend(x, 3) <= high + 1e-12)).all())
    table = x @ transport.points.T + transport.heights
    best, index = table.topk(3, dim=1)
    first = (best[:, 0] - best[:, 2]) / (best[:, 0] + best[:, 1] - 2 * best[:, 2])
    wanted = first[:, None] * transport.points[index[:, 0]] + (1 - first)[:, None] * transport.points[index[:, 1]]
    torch.testing.assert_close(transport.blend(x, 2), wanted)


def test_shapes_and_chunks(monkeypatch) -> None:
    pictures = SemiDiscrete(gaussian(5, 12).view(5, 3, 2, 2), torch.zeros(5, dtype=torch.float64))
    x = gaussian(7, 12, 3).view(7, 3, 2, 2)
    assert pictures.blend(x, 2).shape == x.shape and pictures.blend(x.float()).dtype == torch.float32
    whole = pictures.cell(x)
    monkeypatch.setattr("workbench.transport.cells._CHUNK", 10)
    assert torch.equal(pictures.cell(x), whole)


def test_what_is_refused() -> None:
    points, zeros = gaussian(3), torch.zeros(3, dtype=torch.float64)
    with pytest.raises(ValueError, match="at least two points"):
        SemiDiscrete(points[:1], zeros[:1])
    with pytest.raises(ValueError, match="each point has one"):
        SemiDiscrete(points, zeros[:2])
    with pytest.raises(ValueError, match="not finite"):
        SemiDiscrete(points / 0, zeros)
    with pytest.raises(ValueError, match="sum to 1"):
        SemiDiscrete(points, zeros, zeros + 0.5)
    with pytest.raises(ValueError, match="for points of shape"):
        SemiDiscrete(points, zeros).cell(gaussian(4, 3))
    for k in (0, 3, True):
        with pytest.raises(ValueError, match="fewer than all"):
            SemiDiscrete(points, zeros).blend(points, k)
    with pytest.raises(ValueError, match="different numbers"):
        on_a_line(points, NORMAL.icdf)
