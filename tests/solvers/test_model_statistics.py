"""The estimator against closed forms and definitions, its derivatives, its checkpoint, its files, its bases."""

import math

import pytest
import torch
from helpers import Mixture
from torch import nn

import workbench as wb
from workbench.artifacts import ArtifactError
from workbench.gaussian import Diagonal, GaussianDenoiser, LowRank
from workbench.nets.training.checkpoint import CheckpointError
from workbench.schedules import VE, VP, Rectified
from workbench.solvers import DPMSolverV3, ModelStatistics
from workbench.solvers.model_statistics import Cosines, Eigenvectors
from workbench.solvers.model_statistics.basis import cosines
from workbench.solvers.model_statistics.derivatives import Looked, look
from workbench.solvers.model_statistics.files import unpack
from workbench.solvers.model_statistics.statistics import slopes
from workbench.solvers.model_statistics.sums import Sums

F64 = torch.float64


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def low_rank(schedule) -> GaussianDenoiser:
    vectors = torch.linalg.qr(torch.randn(6, 2, generator=rng(2), dtype=F64)).Q
    return GaussianDenoiser(
        torch.randn(2, 3, generator=rng(1), dtype=F64), LowRank(vectors, torch.tensor([3.0, 0.8], dtype=F64), 0.1), schedule
    )


# Tables


def test_a_table_is_its_values_and_its_own_integral() -> None:
    nodes = torch.linspace(-3, 4, 15, dtype=F64)
    table = ModelStatistics(nodes, torch.sin(nodes), torch.cos(nodes), nodes**2)
    for name, values in zip("lsb", table.at(nodes), strict=True):
        torch.testing.assert_close(values, getattr(table, name))
    fine = torch.linspace(-4.5, 5.5, 8_001, dtype=F64)  # beyond the nodes on both sides
    for antiderivative, values in zip(table.integrals(fine), table.at(fine), strict=False):
        summed = torch.cumulative_trapezoid(values, fine)
        torch.testing.assert_close(antiderivative[1:] - antiderivative[0], summed, rtol=0, atol=1e-6)
    outside = table.at(torch.tensor([-9.0, 9.0], dtype=F64))
    torch.testing.assert_close(outside.l, table.l[[0, -1]])
    torch.testing.assert_close(slopes(nodes**4, 0.5)[2:-2], 4 * nodes[2:-2] ** 3, rtol=0, atol=1e-10)


def test_closed_form_statistics_satisfy_their_definitions() -> None:
    """l = sigma d noise / dx, f = e - l v is known beforehand, f' = s f + b, and L' = l, S' = s."""
    law = GaussianDenoiser(torch.tensor([0.7, -1.0], dtype=F64), Diagonal(torch.tensor([2.0, 0.1], dtype=F64)), VP())
    exact, lam = ModelStatistics.of_gaussian(law), torch.linspace(-4, 4, 5, dtype=F64)
    for clock, l_now, s_now, b_now in zip(lam, *exact.at(lam), strict=True):
        t = VP().inverse_log_snr(float(clock))
        x = torch.randn(1, 2, generator=rng(), dtype=F64)
        jacobian = torch.func.jacrev(lambda x, t=t: law.noise(x, t))(x)[0, :, 0]
        torch.testing.assert_close(VP().sigma(t) * jacobian.diagonal(), l_now)

        def rest(clock, x=x):
            t = VP().inverse_log_snr(clock)
            return (VP().sigma(t) * law.noise(x, t) - exact.at(torch.tensor([clock], dtype=F64)).l * x) / VP().alpha(t)

        rate = (rest(float(clock) + 1e-5) - rest(float(clock) - 1e-5)) / 2e-5  # f does not depend on x, so any path will do
        torch.testing.assert_close(rate[0], s_now * rest(float(clock))[0] + b_now, rtol=0, atol=1e-7)
    ends = [torch.stack(exact.integrals(lam + shift)) for shift in (1e-5, -1e-5)]
    torch.testing.assert_close((ends[0] - ends[1]) / 2e-5, torch.stack(exact.at(lam)[:2]), rtol=0, atol=1e-8)


# Bases


def test_bases_are_orthonormal() -> None:
    torch.testing.assert_close(cosines(7).T @ cosines(7), torch.eye(7, dtype=F64))
    x = torch.randn(5, 2, 3, generator=rng(), dtype=F64)
    vectors = torch.linalg.qr(torch.randn(6, 6, generator=rng(3), dtype=F64)).Q
    for basis in (Cosines((2, 3)), Eigenvectors(vectors, (2, 3)), Eigenvectors(vectors[:, :2], (2, 3))):
        torch.testing.assert_close(basis.out(basis.into(x)), x)
        torch.testing.assert_close(basis.into(x).flatten(1).square().sum(1), x.flatten(1).square().sum(1))
        assert basis.into(x).shape[1:] == basis.shape
        with pytest.raises(ValueError, match="this basis needs"):
            basis.into(x[:, :1])
    with pytest.raises(ValueError, match="orthonormal"):
        Eigenvectors(2 * vectors, (2, 3))


# Estimates


@pytest.mark.parametrize("how", ["exact", "differences"])
@pytest.mark.parametrize("schedule", [VP(), VE(), Rectified()], ids=lambda s: type(s).__name__)
def test_the_estimate_of_a_gaussian_is_its_closed_form(schedule, how) -> None:
    """Every l exactly, from few pictures; and the solver that it feeds is exact."""
    law = low_rank(schedule)
    exact = ModelStatistics.of_gaussian(law)
    nodes = 60 if how == "differences" else 12
    found = ModelStatistics.estimate(
        law, law.sample(16, generator=rng(1), dtype=F64), nodes=nodes, basis=exact.basis, derivatives=how, generator=rng()
    )
    wanted = exact.at(found.nodes)
    for name in "ls":
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), rtol=0, atol=1e-9 if how == "exact" else 1e-5)
    assert found.samples == 16 and found.evaluations == 16 * nodes * 5
    if how == "differences":
        grid, x = wb.grids.log_snr(schedule, 4), law.sample(3, schedule.t_first, generator=rng(), dtype=F64)
        ours = wb.solve(law, x, grid, DPMSolverV3(found, 1, "none")).x
        torch.testing.assert_close(ours, law.flow(x, grid[0], grid[-1]), rtol=0, atol=2e-4)


@pytest.mark.parametrize("pool", [None, (0,), (0, 1)])
def test_one_pass_is_the_definition_in_two(pool) -> None:
    """l first, then f and f' of every picture, then the least squares: what the sums find in one pass."""
    nodes, n, shape, h = torch.linspace(-1, 1, 6, dtype=F64), 40, (2, 3), 0.4
    sums, seen = Sums.empty(6, shape), []
    for node in range(6):
        v, data, moved, turned, z = torch.randn(5, n, *shape, generator=rng(node), dtype=F64)
        seen.append((v, data, moved, turned, z))
        for rows in (slice(0, 13), slice(13, n)):
            sums.add(node, Looked(v[rows], data[rows], moved[rows], turned[rows]), z[rows], None)
    found = sums.statistics(nodes, None, pool)
    axes = [axis + 1 for axis in pool or ()]

    def pooled(value):
        return value.mean(axes, keepdim=True) if pool else value

    v, data, moved, turned, z = (torch.stack(part) for part in zip(*seen, strict=True))
    l_now = pooled((z * (z - turned)).mean(1)) / pooled((z * z).mean(1))
    torch.testing.assert_close(found.l, l_now)
    slope = slopes(l_now, h)[:, None]
    f = v - data - l_now[:, None] * v
    rate = (data - v - moved) - slope * v + l_now[:, None] * (v - data)  # e' - l' v - l v', with e = v - data and v' = -e
    off, off_rate = f - f.mean(1, keepdim=True), rate - rate.mean(1, keepdim=True)
    s_now = pooled((off * off_rate).mean(1)) / pooled((off * off).mean(1))
    torch.testing.assert_close(found.s, s_now)
    torch.testing.assert_close(found.b, pooled(rate.mean(1) - s_now * f.mean(1)))
    linear = sums.statistics(nodes, None, pool, "linear")
    torch.testing.assert_close(linear.s, l_now - 1)
    torch.testing.assert_close(linear.b, pooled(rate.mean(1) - linear.s * f.mean(1)))


def small_unet() -> wb.Denoiser:
    """With attention and group norms, channels last, and a last layer that is not 0."""
    net = wb.nets.UNet(widths=(16, 32), blocks=1, emb=16, side=8, attend=4, generator=rng())
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1, generator=rng())
    return wb.EDMDenoiser(net)


@pytest.mark.parametrize("model", ["network", "mixture"])
def test_both_ways_to_differentiate_agree(model) -> None:
    """Forward mode through GroupNorm and attention, against differences; by transposition, z . J z must be the reverse mode's too."""
    if model == "network":
        denoiser, shape, close = small_unet(), (2, 3, 8, 8), 2e-2
    else:
        denoiser, shape, close = Mixture(VP()), (5, 3), 2e-3
    dtype = torch.float32 if model == "network" else F64
    v, z = torch.randn(shape, generator=rng(1)).to(dtype), (torch.randint(0, 2, shape, generator=rng(2)) * 2 - 1).to(dtype)
    exact, near = (look(denoiser, v, -0.3, z, how) for how in ("exact", "differences"))
    for a, b in zip(exact, near, strict=True):
        assert (a - b).norm() < close * b.norm()
    t = denoiser.schedule.inverse_log_snr(-0.3)
    alpha = denoiser.schedule.alpha(t)
    _, back = torch.func.vjp(lambda v: denoiser.data(alpha * v, t), v)
    torch.testing.assert_close((z * back(z)[0]).sum(), (z * exact.turned).sum(), rtol=1e-4, atol=1e-5)


def test_the_regression_leaves_nothing_that_it_could_foresee() -> None:
    """The step by b and s has no bias on average: with them the first-order error of the mean is smaller than with b = s = 0."""
    model = Mixture(VP(), ((0.3, 0.7), (-1.0, 1.5), (0.3, 0.6)))
    data = torch.where(torch.rand(4000, 1, generator=rng(3)) < 0.3, -1.0, 1.5).to(F64) + 0.5 * torch.randn(
        4000, 1, generator=rng(4)
    ).to(F64)
    found = ModelStatistics.estimate(model, data, nodes=40, batch=4000, derivatives="differences", generator=rng())
    bare = ModelStatistics(found.nodes, found.l, 0 * found.s, 0 * found.b)
    x = VP().prior((2000, 1), 1.0, generator=rng(5), dtype=F64)
    grid = wb.grids.log_snr(VP(), 6, 1.0, 0.05)
    fine = wb.solve(model, x, wb.grids.log_snr(VP(), 200, 1.0, 0.05), wb.solvers.UniPC()).x
    biases = [abs(float((wb.solve(model, x, grid, DPMSolverV3(one, 1, "none")).x - fine).mean())) for one in (found, bare)]
    assert biases[0] < 0.5 * biases[1], biases


# Streaming, interruption, checkpoints


class Stops(Mixture):
    """A mixture whose Ctrl-C comes at a given call."""

    calls, at = 0, math.inf

    def data(self, x, t):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return super().data(x, t)


SETTINGS = {"nodes": 4, "batch": 5, "passes": 2, "derivatives": "differences"}


def equal(a: ModelStatistics, b: ModelStatistics) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("nodes", "l", "s", "b"))


def test_interrupted_and_resumed_to_the_same_bits(tmp_path) -> None:
    data = torch.randn(15, 2, generator=rng(), dtype=F64)
    whole = ModelStatistics.estimate(Stops(VP()), data, generator=rng(7), **SETTINGS)
    assert whole.samples == 30 and whole.evaluations == 30 * 4 * 5
    model, path = Stops(VP()), tmp_path / "deeper" / "sums.pt"
    model.at = 5 * 4 + 5 * 2 + 3  # in the third visit of the second batch
    part = ModelStatistics.estimate(model, data, generator=rng(7), checkpoint=path, **SETTINGS)
    assert part.samples == 5 and part.evaluations == 5 * (5 * 4 + 5 * 2)
    streamed = list(data.split(5))
    again = ModelStatistics.estimate(Stops(VP()), streamed, generator=rng(7), checkpoint=path, **SETTINGS)
    assert equal(again, whole) and again.samples == whole.samples
    done = Stops(VP())
    assert equal(ModelStatistics.estimate(done, data, generator=rng(7), checkpoint=path, **SETTINGS), whole) and done.calls == 0
    with pytest.raises(CheckpointError, match="seed: the checkpoint has"):
        ModelStatistics.estimate(Stops(VP()), data, generator=rng(8), checkpoint=path, **SETTINGS)
    early = Stops(VP())
    early.at = 3
    with pytest.raises(KeyboardInterrupt):
        ModelStatistics.estimate(early, data, generator=rng(7), **SETTINGS)


def test_bad_settings_cost_no_evaluation() -> None:
    model, data = Stops(VP()), torch.randn(6, 2, dtype=F64)
    for setting in (
        {"nodes": 1},
        {"batch": 0},
        {"passes": True},
        {"start": 0.1, "stop": 0.5},
        {"stop": 0.0},
        {"derivatives": "none"},
    ):
        with pytest.raises((ValueError, TypeError)):
            ModelStatistics.estimate(model, data, generator=rng(), **setting)
    with pytest.raises(TypeError, match="floating-point samples"):
        ModelStatistics.estimate(model, torch.zeros(4, 2, dtype=torch.uint8), generator=rng())
    with pytest.raises(TypeError):
        ModelStatistics.estimate(model, data, generator=None)
    assert model.calls == 0
    with pytest.raises(ValueError, match="at least two pictures"):
        ModelStatistics.estimate(model, data[:1], nodes=3, generator=rng(), derivatives="differences")
    with pytest.raises(TypeError, match="GaussianDenoiser"):
        ModelStatistics.of_gaussian(Mixture(VP()))  # type: ignore[arg-type]
    bad = torch.tensor([0.0, 1.0, 3.0], dtype=F64)
    for nodes, table in ((bad, bad), (bad[:2], bad), (bad[:2], torch.tensor([1.0, math.nan], dtype=F64))):
        with pytest.raises((ValueError, TypeError)):
            ModelStatistics(nodes, table, table, table)


# Files


def test_files_keep_the_statistics(tmp_path) -> None:
    law = low_rank(VP())
    nodes = torch.linspace(-4, 5, 30, dtype=F64)
    table = ModelStatistics.of_gaussian(law, nodes)
    in_pixels = ModelStatistics(
        nodes, *(torch.rand(30, 2, 3, generator=rng(k), dtype=F64) for k in range(3)), Cosines((2, 3)), 7, 70
    )
    for one in (table, in_pixels):
        one.save(tmp_path / "statistics.safetensors")
        again = ModelStatistics.load(tmp_path / "statistics.safetensors")
        assert (again.samples, again.evaluations) == (one.samples, one.evaluations) and torch.equal(again.nodes, nodes)
        for name in "lsb":
            torch.testing.assert_close(getattr(again, name), getattr(one, name), rtol=0, atol=1e-6)
        x = torch.randn(2, 2, 3, generator=rng(), dtype=F64)
        torch.testing.assert_close(again.basis.into(x), one.basis.into(x), rtol=0, atol=1e-6)
        one.save(tmp_path / "half.safetensors", torch.float16)
        half = ModelStatistics.load(tmp_path / "half.safetensors")
        assert ((1 - half.l) - (1 - one.l)).abs().max() < 5e-4 * (1 - one.l).abs().max()
    with pytest.raises(ArtifactError, match="not model statistics"):
        unpack(b"something else entirely")
    with pytest.raises(TypeError, match="no table to store"):
        ModelStatistics.of_gaussian(law).save(tmp_path / "never")
    assert not (tmp_path / "never").exists()
