"""The streamed law of a data set against the sum written out, in float64, whatever the chunk, the scale and the noise."""

import subprocess
import sys

import pytest
import torch
from gaussian_helpers import close, interior_times, states, z_score

import workbench as wb
from workbench.denoiser import FACES
from workbench.gaussian import EmpiricalDenoiser, GaussianDenoiser, empirical


@pytest.fixture
def points(rng):
    return torch.randn(40, 3, 2, generator=rng, dtype=torch.float64) + 2


@pytest.fixture
def data(points, schedule):
    return EmpiricalDenoiser(points, schedule)


def written_out(points, schedule, x, t):
    """data, log_prob and 1 / sum w^2 from all squared distances, by differences."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    flat, rows = points.double().flatten(1), x.double().flatten(1)
    distance = (rows[:, None] - alpha * flat).square().sum(2)
    logits = -distance / (2 * sigma**2)
    weights = logits.softmax(1)
    constant = torch.log(torch.tensor(2 * torch.pi * sigma**2, dtype=torch.float64)) * flat.shape[1] / 2
    log_prob = logits.logsumexp(1) - torch.tensor(float(len(points))).double().log() - constant
    return (weights @ flat).view(x.shape), log_prob, 1 / weights.square().sum(1)


def test_against_the_sum_written_out(data, points, schedule, rng):
    for t in [*interior_times(schedule), schedule.t_last, schedule.t_first]:
        x, alpha, sigma = states(data, t, 5, rng), schedule.alpha(t), schedule.sigma(t)
        mean, log_prob, neighbours = written_out(points, schedule, x, t)
        close(data.data(x, t), mean)
        close(data.noise(x, t), (x - alpha * mean) / sigma, 1e-9)
        close(data.score(x, t), (alpha * mean - x) / sigma**2, 1e-9)
        close(data.velocity(x, t), schedule.d_alpha(t) * mean + schedule.d_sigma(t) * (x - alpha * mean) / sigma, 1e-9)
        close(data.log_prob(x, t), log_prob)
        close(data.effective_neighbours(x, t), neighbours)


def test_the_chunk_does_not_matter(data, schedule, rng, monkeypatch):
    t = interior_times(schedule)[1]
    x = states(data, t, 5, rng)
    whole = [data.data(x, t), data.log_prob(x, t), data.effective_neighbours(x, t), data.nearest(x).distance]
    monkeypatch.setattr(empirical, "_CHUNK_BYTES", 8 * (2 * 6 + 4 * 5) * 3)  # three points at a time
    assert data._rows(5) == 3
    again = EmpiricalDenoiser(data.points, schedule)
    parts = [again.data(x, t), again.log_prob(x, t), again.effective_neighbours(x, t), again.nearest(x).distance]
    for one, other in zip(whole, parts, strict=True):
        close(other, one, 1e-12)
    assert torch.equal(again.nearest(x).index, data.nearest(x).index)


def test_score_is_the_gradient_of_log_prob(data, schedule, rng, monkeypatch):
    monkeypatch.setattr(empirical, "_CHUNK_BYTES", 8 * (2 * 6 + 4 * 3) * 7)
    for t in interior_times(schedule):
        x = states(data, t, 3, rng).requires_grad_()
        (gradient,) = torch.autograd.grad(data.log_prob(x, t).sum(), x)
        close(data.score(x.detach(), t), gradient, 1e-9)


def test_times_of_each_sample(data, schedule, rng):
    times = interior_times(schedule)
    x = torch.cat([states(data, t, 1, rng) for t in times])
    batched = torch.tensor(times, dtype=torch.float64)
    for face in (*FACES, "log_prob", "effective_neighbours"):
        expected = torch.cat([getattr(data, face)(x[i : i + 1], t) for i, t in enumerate(times)])
        close(getattr(data, face)(x, batched), expected, 1e-12)
    mixed = torch.tensor([0.0, times[1], 0.0], dtype=torch.float64)
    close(data.data(x, mixed)[[0, 2]], x[[0, 2]] / schedule.alpha(0.0))
    close(data.data(x, mixed)[1:2], data.data(x[1:2], times[1]), 1e-12)


def test_bytes_are_read_as_minus_one_to_one(schedule, rng):
    codes = torch.randint(0, 256, (30, 3, 4, 4), generator=rng, dtype=torch.uint8)
    bytes_, floats = EmpiricalDenoiser(codes, schedule), EmpiricalDenoiser(codes.double() / 127.5 - 1, schedule)
    t = interior_times(schedule)[1]
    x = states(floats, t, 4, rng)
    for face in FACES:
        close(getattr(bytes_, face)(x, t), getattr(floats, face)(x, t))
    close(bytes_.log_prob(x, t), floats.log_prob(x, t))
    assert bytes_.sample(500, generator=rng).abs().max() == 1
    assert torch.equal(bytes_.nearest(floats.points[:5]).index, torch.arange(5))


def test_little_noise_and_many_dimensions_in_float32(rng):
    """At sigma = .003 and d = 3072, distances by float32 products are off by units in the exponent; these are not."""
    schedule, sigma = wb.schedules.VE(), 0.003
    first = torch.rand(1, 3072, generator=rng) * 2 - 1
    points = first + 0.0001 * torch.randn(20, 3072, generator=rng)  # neighbors so close that several share the weight
    data = EmpiricalDenoiser(points, schedule)
    x = points[:4] + sigma * torch.randn(4, 3072, generator=rng)
    mean, log_prob, neighbours = written_out(points, schedule, x, sigma)
    assert 1.2 < neighbours.max() < 20
    assert (data.data(x, sigma) - mean).abs().max() < 1e-7
    assert (data.effective_neighbours(x, sigma) - neighbours).abs().max() < 1e-4
    assert (data.log_prob(x.double(), sigma) - log_prob).abs().max() < 1e-5
    noise = (x.double() - mean) / sigma
    assert (data.noise(x, sigma) - noise).abs().max() < 1e-5
    products = (x @ points.T - points.square().sum(1) / 2) / sigma**2  # what float32 would have done
    assert (1 / products.softmax(1).square().sum(1) - neighbours).abs().max() > 0.05


def test_no_nan_and_the_nearest_point_at_vanishing_noise(data, points, schedule):
    x = torch.cat(
        [points[:2] + 1e-9, torch.full((1, 3, 2), 1e30, dtype=torch.float64), torch.full((1, 3, 2), -1e100, dtype=torch.float64)]
    )
    for t in (1e-150, 1e-15, schedule.t_last):
        for face in FACES if t > 1e-100 else ["data"]:  # the others overflow, and say so
            assert not getattr(data, face)(x, t).isnan().any()
        assert not data.log_prob(x, t).isnan().any()
        assert (data.effective_neighbours(x, t) >= 1 - 1e-12).all()
    close(data.data(x[:2], 1e-12), points[:2], 1e-8)
    for face in ("noise", "score"):
        with pytest.raises(ValueError, match="divides by zero"):
            getattr(data, face)(x, 0.0)
    with pytest.raises(ValueError, match="no density"):
        data.log_prob(x, 0.0)


@pytest.mark.parametrize("schedule", [wb.schedules.Rectified(), wb.schedules.Cosine()], ids=["Rectified", "Cosine"])
def test_pure_noise_knows_only_the_mean(data, points, schedule, rng):
    x = torch.randn(2, 3, 2, generator=rng, dtype=torch.float64)
    close(data.data(x, 1.0), points.mean(0).expand(2, 3, 2))
    close(data.effective_neighbours(x, 1.0), torch.full((2,), 40.0))


def test_nearest(data, points, rng):
    x = torch.randn(7, 3, 2, generator=rng, dtype=torch.float64) + 2
    distance = torch.cdist(x.flatten(1), points.flatten(1))
    found = data.nearest(x)
    assert torch.equal(found.index, distance.argmin(1))
    close(found.distance, distance.min(1).values)


def test_samples(data, points, schedule, rng):
    t = interior_times(schedule)[1]
    draws = data.sample(20_000, t, generator=rng, dtype=torch.float64)
    assert z_score(draws, schedule.alpha(t) * points.mean(0)).abs().max() < 4.5
    spread = schedule.alpha(t) ** 2 * points.var(0, correction=0) + schedule.sigma(t) ** 2
    assert z_score((draws - schedule.alpha(t) * points.mean(0)).square(), spread).abs().max() < 4.5
    clean = data.sample(50, generator=rng, dtype=torch.float64)
    assert data.nearest(clean).distance.max() < 1e-12


def test_on_another_schedule(data, points, rng):
    other = data.on(wb.schedules.VE())
    x = states(other, 1.3, 3, rng)
    close(other.data(x, 1.3), written_out(points, wb.schedules.VE(), x, 1.3)[0])
    assert len(other) == 40


def test_linear_cross_terms_give_the_gaussian_score(points, schedule, rng):
    """mean + sum_i a_i (x_i - mean), a_i = (1 / N) (y - mean)^T (Sigma + rho^2 I)^-1 (x_i - mean), is the Wiener filter exactly."""
    flat = points.flatten(1)
    center = flat.mean(0)
    spread = torch.cov(flat.T, correction=0)
    law = GaussianDenoiser.fit(points, schedule)
    for t in interior_times(schedule):
        x, alpha = states(law, t, 4, rng), schedule.alpha(t)
        y, rho = x.flatten(1) / alpha - center, schedule.sigma(t) / alpha
        weights = y @ torch.linalg.solve(spread + rho**2 * torch.eye(6, dtype=torch.float64), (flat - center).T) / len(flat)
        close(law.data(x, t).flatten(1), center + weights @ (flat - center), 1e-11)
        close(law.score(x, t).flatten(1), (-y + weights @ (flat - center)) / (rho**2 * alpha), 1e-9)


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.int64), TypeError, "int64"),
        (torch.zeros(3), ValueError, r"\(N, \*shape\)"),
        (torch.zeros(0, 2), ValueError, "not empty"),
        (torch.tensor([[0.0, torch.nan]]), ValueError, "finite"),
    ],
)
def test_refuses(points, error, message):
    with pytest.raises(error, match=message):
        EmpiricalDenoiser(points, wb.schedules.VP())


MEMORY = """
import resource, torch, workbench as wb
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
points = torch.empty(50_000, 3, 32, 32, dtype=torch.uint8).random_(generator=torch.Generator().manual_seed(0))
law = wb.gaussian.EmpiricalDenoiser(points, wb.schedules.VE())
x = law.sample(16, 1.0, generator=torch.Generator().manual_seed(1))
before = peak()
law.data(x, 1.0)
print(peak() - before)
"""


def test_fifty_thousand_images_need_little_memory():
    pytest.importorskip("resource")
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert 0 <= float(run.stdout) < 300  # MB, beside the 154 MB of the data (a float64 copy would be 1,229)
