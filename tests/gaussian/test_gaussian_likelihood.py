"""Densities, entropies, samples and estimates of Gaussian data."""

import math
from types import SimpleNamespace

import pytest
import torch
from gaussian_helpers import close, interior_times, states, z_score
from torch.distributions import MultivariateNormal

import workbench as wb
from workbench.gaussian import GaussianDenoiser, LowRank


def torch_law(mean, matrix, schedule, t):
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    return MultivariateNormal(alpha * mean, alpha**2 * matrix + sigma**2 * torch.eye(len(mean), dtype=torch.float64))


def test_log_prob_and_entropy(law, mean, sigma_matrix, schedule, rng):
    for t in [0.0, *interior_times(schedule)]:
        x, other = states(law, t, 6, rng), torch_law(mean, sigma_matrix, schedule, t)
        close(law.log_prob(x, t), other.log_prob(x))
        assert law.entropy(t) == pytest.approx(other.entropy().item(), rel=1e-12)
    assert law.log_prob(x.float(), t).dtype == torch.float32


def test_density_integrates_to_one(schedule):
    law = GaussianDenoiser(torch.tensor([0.5, -0.3]), torch.tensor([[1.0, 0.4], [0.4, 0.5]]), schedule)
    for t in [0.0, *interior_times(schedule)]:
        width = 8 * math.sqrt(schedule.alpha(t) ** 2 * 1.5 + schedule.sigma(t) ** 2) + 1
        axis = torch.linspace(-width, width, 401, dtype=torch.float64)
        points = torch.cartesian_prod(axis, axis)
        assert law.log_prob(points, t).exp().sum().item() * (axis[1] - axis[0]).item() ** 2 == pytest.approx(1, abs=1e-9)


def test_bits_per_dimension(schedule):
    law = GaussianDenoiser(torch.zeros(2, 3), 1.0, schedule)
    x = torch.zeros(1, 2, 3)
    density = 0.5 * math.log2(2 * math.pi)  # -log2 N(0; 0, 1)
    assert law.bits_per_dim(x).item() == pytest.approx(density, rel=1e-6)
    assert law.bits_per_dim(x, bin_width=2 / 256).item() == pytest.approx(density + 7, rel=1e-6)
    assert law.bits_per_dim(x, bin_width=1 / 256).item() == pytest.approx(density + 8, rel=1e-6)


def test_samples_have_the_moments_of_the_law(law, mean, sigma_matrix, schedule, rng):
    for t in (0.0, schedule.t_first):
        draws, other = law.sample(20_000, t, generator=rng, dtype=torch.float64), torch_law(mean, sigma_matrix, schedule, t)
        centered = draws - other.mean
        assert z_score(draws, other.mean).abs().max() < 4.5
        outer = centered[:, :, None] * centered[:, None, :]
        assert z_score(outer, other.covariance_matrix).abs().max() < 4.5
        assert abs(z_score(-law.log_prob(draws, t), law.entropy(t))) < 4.5


def test_no_denoiser_errs_less_than_mmse(law, schedule, rng):
    t = interior_times(schedule)[1]
    x0 = law.sample(20_000, generator=rng, dtype=torch.float64)
    eps = torch.randn(20_000, 3, generator=rng, dtype=torch.float64)
    error = (law.data(schedule.alpha(t) * x0 + schedule.sigma(t) * eps, t) - x0).square().sum(1)
    assert abs(z_score(error, law.mmse(t))) < 4.5


def test_one_generator_for_each_sample(law, schedule):
    def generators(*seeds):
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    together = law.sample(3, schedule.t_first, generator=generators(1, 2, 3))
    assert torch.equal(together[1:2], law.sample(1, schedule.t_first, generator=generators(2)))
    with pytest.raises(ValueError, match="2 generators for a batch of 3"):
        law.sample(3, generator=generators(1, 2))


def test_marginal_is_a_law_of_its_own(law, schedule, rng):
    for t in interior_times(schedule):
        x = states(law, t, 3, rng)
        close(law.marginal(t).log_prob(x), law.log_prob(x, t), 1e-12)


def test_fit(schedule, rng):
    x0 = torch.randn(400, 2, 2, generator=rng) @ torch.tensor([[1.0, 0.5], [0.0, 2.0]]) + 1
    law = GaussianDenoiser.fit(x0, schedule)
    flat = x0.double().flatten(1)
    close(law.mean, x0.double().mean(0))
    close(law.covariance.matrix(), torch.cov(flat.T, correction=0))
    best = law.log_prob(x0.double()).mean()
    for scale in (0.97, 1.03):  # it is the maximum of the likelihood
        other = GaussianDenoiser(law.mean, law.covariance.map(lambda v, scale=scale: scale * v), schedule)
        assert other.log_prob(x0.double()).mean() < best
    low = GaussianDenoiser.fit(x0, schedule, rank=2)
    assert low.covariance.rank == 2
    assert low.covariance.sum(lambda v: v).item() == pytest.approx(law.covariance.sum(lambda v: v).item())
    assert GaussianDenoiser.fit(x0, schedule, rank=2, floor=0.3).covariance.floor == 0.3
    raised = GaussianDenoiser.fit(x0, schedule, floor=1.0).covariance.spectrum
    close(raised, law.covariance.spectrum.clamp(min=1.0))


def test_from_moments(rng):
    schedule = wb.schedules.VE()
    basis = torch.linalg.qr(torch.randn(12, 5, generator=rng, dtype=torch.float64)).Q
    spectrum = torch.tensor([9, 5, 3, 2, 1, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    moments = SimpleNamespace(mean=torch.rand(3, 2, 2, generator=rng), spectrum=spectrum.float(), vectors=basis.float())
    law = GaussianDenoiser.from_moments(moments, schedule)
    expected = LowRank(basis, spectrum[:5], float(spectrum[5:].mean()))
    close(law.covariance.matrix(), expected.matrix(), 1e-5)
    assert law.shape == (3, 2, 2)
    gap = law.covariance.vectors.T @ law.covariance.vectors - torch.eye(5, dtype=torch.float64)
    assert gap.abs().max() < 1e-14  # orthonormal again after single precision
    three = GaussianDenoiser.from_moments(moments, schedule, rank=3)
    assert three.covariance.floor == pytest.approx(float(spectrum[3:].mean()))
    for rank in (2, 5):
        kept = GaussianDenoiser.from_moments(moments, schedule, rank=rank).covariance.sum(lambda v: v).item()
        assert kept == pytest.approx(float(spectrum.sum()), rel=1e-6)
    with pytest.raises(ValueError, match="between 1 and 5"):
        GaussianDenoiser.from_moments(moments, schedule, rank=6)
    moments.spectrum = spectrum.flip(0)
    with pytest.raises(ValueError, match="decreasing"):
        GaussianDenoiser.from_moments(moments, schedule)
