"""A mixture inside a subspace against the same law written as a dense mixture."""

import pytest
import torch
from gaussian_helpers import close, interior_times, states, z_score

import workbench as wb
from workbench.denoiser import FACES
from workbench.gaussian import Dense, GaussianDenoiser, LowRank, MixtureDenoiser, SubspaceLaw

WEIGHTS = torch.tensor([0.25, 0.75], dtype=torch.float64)
CENTERS = torch.tensor([[1.5, -0.5], [-1.0, 1.0]], dtype=torch.float64)
MATRICES = torch.tensor([[[0.6, 0.2], [0.2, 0.3]], [[0.2, -0.1], [-0.1, 0.9]]], dtype=torch.float64)
SHAPE = (3, 2)


def parts(schedule, seed=5):
    """Inside in two dimensions; outside with four eigenvectors and a floor in six."""
    rng = torch.Generator().manual_seed(seed)
    vectors = torch.linalg.qr(torch.randn(6, 4, generator=rng, dtype=torch.float64)).Q
    covariance = LowRank(vectors, torch.tensor([7.0, 5.0, 0.8, 0.4], dtype=torch.float64), 0.1)
    outside = GaussianDenoiser(torch.randn(*SHAPE, generator=rng, dtype=torch.float64), covariance, schedule)
    return MixtureDenoiser(WEIGHTS, CENTERS, MATRICES, schedule), outside


def dense(schedule):
    """The same as a mixture of full Gaussians in six dimensions."""
    _, outside = parts(schedule)
    basis = outside.covariance.vectors[:, :2]
    rest = torch.eye(6, dtype=torch.float64) - basis @ basis.T
    means = CENTERS @ basis.T + rest @ outside.mean.flatten()
    matrices = basis @ MATRICES @ basis.T + rest @ outside.covariance.matrix() @ rest
    return MixtureDenoiser(WEIGHTS, means.view(2, *SHAPE), matrices, schedule)


@pytest.fixture
def law(schedule):
    return SubspaceLaw(*parts(schedule))


def test_everything_agrees_with_the_dense_mixture(law, schedule, rng):
    other = dense(schedule)
    for t in [0.0, *interior_times(schedule)]:
        x = states(other, t, 6, rng)
        for face in FACES:
            close(getattr(law, face)(x, t), getattr(other, face)(x, t), 1e-10)
        close(law.log_prob(x, t), other.log_prob(x, t), 1e-10)
        close(law.responsibilities(x, t), other.responsibilities(x, t), 1e-10)
    times = torch.tensor([0.0, *interior_times(schedule)], dtype=torch.float64)
    x = states(other, 0.4, 4, rng)
    for face in FACES:
        close(getattr(law, face)(x, times), getattr(other, face)(x, times), 1e-10)
    close(law.log_prob(x, times), other.log_prob(x, times), 1e-10)


def test_one_class_has_a_flow(law, schedule, rng):
    other, start, stop = dense(schedule), interior_times(schedule)[0], interior_times(schedule)[2]
    x = states(other, start, 4, rng)
    for k in (0, 1):
        one = law.given(k)
        close(one.flow(x, start, stop), other.given(k).flow(x, start, stop), 1e-10)
        close(one.data(x, start), other.given(k).data(x, start), 1e-10)
    labels = [1, 0, 0, 1]
    close(law.given(labels).flow(x, start, stop), other.given(labels).flow(x, start, stop), 1e-10)
    with pytest.raises(TypeError, match=r"no closed flow map; bind a class with .given"):
        law.flow(x, start, stop)


def test_draws(law, schedule, rng):
    t, other = interior_times(schedule)[1], dense(schedule)
    draws, expected = law.sample(20000, t, generator=rng, dtype=torch.float64).flatten(1), other.means.flatten(1)
    mean = schedule.alpha(t) * WEIGHTS @ expected
    assert z_score(draws, mean).abs().max() < 4.5
    within = sum(w * c.matrix() for w, c in zip(WEIGHTS, other.covariances, strict=True))
    between = (expected - WEIGHTS @ expected).T @ (WEIGHTS[:, None] * (expected - WEIGHTS @ expected))
    total = schedule.alpha(t) ** 2 * (within + between) + schedule.sigma(t) ** 2 * torch.eye(6, dtype=torch.float64)
    centered = draws - mean
    assert z_score(centered[:, :, None] * centered[:, None], total).abs().max() < 4.5


def test_precisions(law, schedule, rng):
    t = interior_times(schedule)[1]
    x = states(law, t, 4, rng)
    exact = law.data(x, t)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float16, 2e-2), (torch.bfloat16, 1e-1)):
        got = law.data(x.to(dtype), t)
        assert got.dtype == dtype
        close(got, exact, tolerance)


def test_rescheduling_and_conditions_keep_both_parts(law):
    moved = law.on(wb.schedules.VE())
    assert moved.schedule == moved.inside.schedule == wb.schedules.VE()
    assert moved.given(1).inside.mean.tolist() == CENTERS[1].tolist()
    assert "wang2024gaussian" in wb.cite(law)


def test_parts_that_do_not_fit_are_refused(schedule):
    inside, outside = parts(schedule)
    other = wb.schedules.VE(t_first=7.0)
    with pytest.raises(ValueError, match=r"use .on\(schedule\)"):
        SubspaceLaw(inside.on(other), outside)
    five = GaussianDenoiser(torch.zeros(5, dtype=torch.float64), 1.0, schedule)
    with pytest.raises(ValueError, match="r at most 4"):
        SubspaceLaw(five, outside)
    with pytest.raises(ValueError, match="r at most 0"):
        SubspaceLaw(inside, GaussianDenoiser(torch.zeros(6, dtype=torch.float64), 1.0, schedule))
    SubspaceLaw(five, GaussianDenoiser(torch.zeros(6, dtype=torch.float64), Dense(torch.eye(6, dtype=torch.float64)), schedule))
