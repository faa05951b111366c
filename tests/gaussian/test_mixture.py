"""Mixtures of Gaussians against torch.distributions, autograd, quadrature and their special cases."""

import math

import pytest
import torch
from gaussian_helpers import close, interior_times, states, z_score
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import workbench as wb
from workbench.denoiser import FACES
from workbench.gaussian import Diagonal, EmpiricalDenoiser, GaussianDenoiser, LowRank, MixtureDenoiser

WEIGHTS = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
MEANS = torch.tensor([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]], dtype=torch.float64)
MATRICES = torch.tensor([[[0.3, 0.1], [0.1, 0.2]], [[0.5, 0.0], [0.0, 0.05]], [[0.1, -0.05], [-0.05, 0.4]]]).double()


@pytest.fixture
def mixture(schedule):
    return MixtureDenoiser(WEIGHTS, MEANS, MATRICES, schedule)


def torch_mixture(schedule, t):
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    spread = alpha**2 * MATRICES + sigma**2 * torch.eye(2, dtype=torch.float64)
    return MixtureSameFamily(Categorical(WEIGHTS), MultivariateNormal(alpha * MEANS, spread))


def test_density_and_score(mixture, schedule, rng):
    for t in [0.0, *interior_times(schedule)]:
        x, other = states(mixture, t, 8, rng).requires_grad_(), torch_mixture(schedule, t)
        close(mixture.log_prob(x, t), other.log_prob(x).detach(), 1e-11)
        (gradient,) = torch.autograd.grad(other.log_prob(x).sum(), x)
        close(mixture.score(x.detach(), t), gradient)
        (own,) = torch.autograd.grad(mixture.log_prob(x, t).sum(), x)
        close(own, gradient)


def test_faces_convert_into_one_another(mixture, schedule, rng):
    for t in interior_times(schedule):
        x, alpha, sigma = states(mixture, t, 5, rng), schedule.alpha(t), schedule.sigma(t)
        data, noise, score = mixture.data(x, t), mixture.noise(x, t), mixture.score(x, t)
        close(alpha * data + sigma * noise, x)
        close((x + sigma**2 * score) / alpha, data)
        close(schedule.d_alpha(t) * data + schedule.d_sigma(t) * noise, mixture.velocity(x, t))


def test_data_is_the_posterior_mean_by_quadrature(mixture, schedule):
    """E[x_0 | x_t] = integral of x_0 q(x_0) N(x_t; alpha x_0, sigma^2 I), on a grid of x_0."""
    axis = torch.linspace(-5, 5, 401, dtype=torch.float64)
    x0 = torch.cartesian_prod(axis, axis)
    prior = torch_mixture(wb.schedules.VE(), 0.0).log_prob(x0)
    assert prior.exp().sum().item() * 0.025**2 == pytest.approx(1, abs=1e-6)
    for t in interior_times(schedule)[:2]:
        x = torch.tensor([[0.4, -0.2]], dtype=torch.float64)
        posterior = (prior - (x - schedule.alpha(t) * x0).square().sum(1) / (2 * schedule.sigma(t) ** 2)).softmax(0)
        expected = posterior @ x0
        close(mixture.data(x, t), expected[None], 1e-7)
        spread = (x0 - expected).T @ (posterior[:, None] * (x0 - expected))
        vector = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
        close(mixture.posterior_covariance(x, t, vector), vector @ spread, 1e-6)


def test_posterior_covariance_is_the_curvature_of_log_prob(mixture, schedule, rng):
    eye = torch.eye(2, dtype=torch.float64)
    for t in interior_times(schedule):
        x, ratio = states(mixture, t, 1, rng), schedule.sigma(t) / schedule.alpha(t)
        hessian = torch.autograd.functional.hessian(lambda y, t=t: torch_mixture(schedule, t).log_prob(y), x[0])
        expected = ratio**2 * (eye + schedule.sigma(t) ** 2 * hessian)
        close(mixture.posterior_covariance(x.expand(2, 2), t, eye), expected, 1e-8)


def test_times_of_each_sample(mixture, schedule, rng):
    times = interior_times(schedule)
    x = torch.cat([states(mixture, t, 1, rng) for t in times])
    batched = torch.tensor(times, dtype=torch.float64)
    for face in FACES:
        expected = torch.cat([getattr(mixture, face)(x[i : i + 1], t) for i, t in enumerate(times)])
        close(getattr(mixture, face)(x, batched), expected, 1e-12)
    for method in (mixture.log_prob, mixture.responsibilities, lambda x, t: mixture.posterior_covariance(x, t, x)):
        close(method(x, batched), torch.cat([method(x[i : i + 1], t) for i, t in enumerate(times)]), 1e-12)
    clean = torch.zeros(3, dtype=torch.float64)
    for face in FACES:
        close(getattr(mixture, face)(x, clean), getattr(mixture, face)(x, 0.0), 1e-12)


def test_one_component_is_a_gaussian(law, mean, sigma_matrix, schedule, rng):
    mixture = MixtureDenoiser([3.0], mean[None], sigma_matrix, schedule)
    for t in [0.0, *interior_times(schedule)]:
        x = states(law, t, 4, rng)
        for face in FACES:
            close(getattr(mixture, face)(x, t), getattr(law, face)(x, t))
        close(mixture.log_prob(x, t), law.log_prob(x, t))
    x = torch.randn(4, 3, generator=rng, dtype=torch.float64)
    if schedule.alpha(schedule.t_max if schedule.t_max < math.inf else 1.0) == 0:
        for face in FACES:
            close(getattr(mixture, face)(x, 1.0), getattr(law, face)(x, 1.0))


def test_components_evaluated_together_or_apart(schedule, rng):
    """A shared covariance, equal tensors, and separate equal objects are the same law."""
    matrix = MATRICES[0]
    shared = MixtureDenoiser(WEIGHTS, MEANS, matrix, schedule)
    equal = MixtureDenoiser(WEIGHTS, MEANS, [matrix, matrix.clone(), matrix], schedule)
    apart = MixtureDenoiser(WEIGHTS, MEANS, [wb.gaussian.Dense(matrix) for _ in range(3)], schedule)
    assert [len(m.groups) for m in (shared, equal, apart)] == [1, 1, 3]
    t = interior_times(schedule)[1]
    x = states(shared, t, 6, rng)
    for other in (equal, apart):
        for face in FACES:
            close(getattr(other, face)(x, t), getattr(shared, face)(x, t), 1e-12)
        close(other.log_prob(x, t), shared.log_prob(x, t), 1e-12)


def test_low_rank_components_agree_with_dense_ones(schedule, rng):
    low = [
        LowRank(torch.linalg.qr(torch.randn(12, 3, generator=rng, dtype=torch.float64)).Q, torch.tensor([3.0, 2.0, 0.5]), 0.1),
        Diagonal(torch.rand(12, generator=rng) + 0.1),
        0.3,
    ]
    means = torch.randn(3, 3, 2, 2, generator=rng)
    mixture = MixtureDenoiser(WEIGHTS, means, low, schedule)
    dense = MixtureDenoiser(WEIGHTS, means, [c.matrix() for c in mixture.covariances], schedule)
    for t in interior_times(schedule):
        x = states(mixture, t, 4, rng)
        for face in FACES:
            close(getattr(mixture, face)(x, t), getattr(dense, face)(x, t))
        close(mixture.log_prob(x, t), dense.log_prob(x, t))


def test_components_without_variance_are_a_data_set(schedule, rng):
    points = torch.randn(9, 2, generator=rng, dtype=torch.float64)
    delta = MixtureDenoiser(torch.ones(9), points, 0.0, schedule)
    data = EmpiricalDenoiser(points, schedule)
    for t in [*interior_times(schedule), schedule.t_last]:
        x = states(data, t, 6, rng)
        for face in FACES:
            close(getattr(delta, face)(x, t), getattr(data, face)(x, t), 1e-9)
        close(delta.log_prob(x, t), data.log_prob(x, t), 1e-9)
        share = delta.responsibilities(x, t)
        close(1 / share.square().sum(1), data.effective_neighbours(x, t), 1e-8)
    assert torch.equal(delta.data(x, 0.0), x / schedule.alpha(0.0))
    for face in ("noise", "score"):
        with pytest.raises(ValueError, match=r"infinite|density"):
            getattr(delta, face)(x, 0.0)
    with pytest.raises(ValueError, match="no density"):
        delta.log_prob(x, 0.0)
    if math.isfinite(schedule.d_sigma(0.0)):
        close(delta.velocity(x, 0.0), schedule.d_alpha(0.0) * x)


def test_flow_ends_on_the_points(schedule, rng):
    points = torch.tensor([[1.0, 1.0], [-1.0, 0.0], [0.0, -2.0]], dtype=torch.float64)
    delta = MixtureDenoiser(torch.ones(3), points, 0.0, schedule)
    x = states(delta, schedule.t_first, 32, rng)
    end = wb.solve(delta, x, wb.grids.log_snr(schedule, 40, stop=0.0), wb.solvers.Heun()).x
    assert torch.cdist(end, points).min(1).values.max() < 1e-3


def test_no_nan_for_extreme_states_or_noise(schedule):
    for covariances in (0.0, MATRICES):
        mixture = MixtureDenoiser(WEIGHTS, MEANS, covariances, schedule)
        for dtype, size in ((torch.float32, 1e30), (torch.float64, 1e200)):
            x = torch.tensor([[size, -size], [0.0, 0.0], [0.5, 0.0]], dtype=dtype)
            for t in (1e-60, schedule.t_last, schedule.t_first):
                for face in FACES:
                    assert not getattr(mixture, face)(x, t).isnan().any()
                assert not mixture.log_prob(x, t).isnan().any()
                close(mixture.responsibilities(x, t).double().sum(1), torch.ones(3), 1e-6)


def test_responsibilities_of_well_separated_components(schedule):
    far = MixtureDenoiser([0.9, 0.1], torch.tensor([[-50.0, 0.0], [50.0, 0.0]]), 0.01, schedule)
    t = interior_times(schedule)[2]
    share = far.responsibilities(schedule.alpha(t) * torch.tensor([[50.0, 0.0]]), t)
    close(share, torch.tensor([[0.0, 1.0]]), 1e-12)
    middle = far.responsibilities(torch.zeros(1, 2), t)  # half-way, the weights decide
    close(middle, torch.tensor([[0.9, 0.1]]), 1e-6)


def test_samples(mixture, schedule, rng):
    for t in (0.0, interior_times(schedule)[0]):
        draws, other = mixture.sample(20_000, t, generator=rng, dtype=torch.float64), torch_mixture(schedule, t)
        assert z_score(draws, other.mean).abs().max() < 4.5
        assert z_score((draws - other.mean).square(), other.variance).abs().max() < 4.5
    draws = mixture.sample(20_000, generator=rng, dtype=torch.float64)
    assert z_score(mixture.responsibilities(draws, 0.0), WEIGHTS).abs().max() < 4.5
    seeds = [torch.Generator().manual_seed(s) for s in (3, 4)]
    pair = mixture.sample(2, generator=seeds)
    assert torch.equal(pair[1:], mixture.sample(1, generator=[torch.Generator().manual_seed(4)]))


def test_float32(mixture, schedule, rng):
    t = interior_times(schedule)[1]
    x = states(mixture, t, 32, rng).float()
    for face in FACES:
        assert getattr(mixture, face)(x, t).dtype == torch.float32
        close(getattr(mixture, face)(x, t), getattr(mixture, face)(x.double(), t), 1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(2), MEANS, 1.0), r"weights \(K,\).*\(2,\) and \(3, 2\)"),
        ((torch.tensor([0.5, 0.5, 0.0]), MEANS, 1.0), "positive"),
        ((torch.tensor([0.5, 0.5, math.nan]), MEANS, 1.0), "positive"),
        ((WEIGHTS, MEANS, [1.0, 2.0]), "2 covariances for 3 components"),
        ((WEIGHTS, MEANS, torch.eye(3)), "3 dimensions, the mean has 2"),
        ((WEIGHTS, MEANS[:, 0], 1.0), "means"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        MixtureDenoiser(*arguments, wb.schedules.VP())


def test_gaussian_of_the_same_moments_takes_over_far_away(rng):
    """1 - explained variance of the score falls like sigma^-6 when third cumulants differ, sigma^-8 for a symmetric law."""
    schedule = wb.schedules.VE()
    levels = (16.0, 32.0)
    for means, slope in (
        (torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]]).double(), -6),
        (torch.tensor([[1.5, 0.5], [-1.5, -0.5], [1.0, -2.0], [-1.0, 2.0]]).double(), -8),
    ):
        delta = EmpiricalDenoiser(means, schedule)
        matched = GaussianDenoiser.fit(means, schedule)
        gaps = []
        for sigma in levels:
            x = sigma * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
            gaps.append(1 - wb.gaussian.explained_variance(delta, matched, x, sigma))
        assert math.log2(gaps[1] / gaps[0]) == pytest.approx(slope, abs=0.2)
