"""The four faces of Gaussian data against plain linear algebra, autograd and limits."""

import math

import pytest
import torch
from gaussian_helpers import close, interior_times, states

import workbench as wb
from workbench.denoiser import FACES
from workbench.gaussian import Diagonal, GaussianDenoiser, LowRank
from workbench.rescheduled import Rescheduled


def by_hand(mean, matrix, schedule, x, t):
    """All faces with an explicit inverse; velocity is alpha' data + sigma' noise."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    total = alpha**2 * matrix + sigma**2 * torch.eye(len(mean), dtype=torch.float64)
    whitened = torch.linalg.solve(total, (x - alpha * mean).T).T
    data, noise = mean + alpha * whitened @ matrix, sigma * whitened
    velocity = schedule.d_alpha(t) * data + schedule.d_sigma(t) * noise
    return {"data": data, "noise": noise, "score": -whitened, "velocity": velocity}


def test_faces_by_hand(law, mean, sigma_matrix, schedule, rng):
    for t in interior_times(schedule):
        x = states(law, t, 5, rng)
        for face, expected in by_hand(mean, sigma_matrix, schedule, x, t).items():
            close(getattr(law, face)(x, t), expected)


def test_faces_convert_into_one_another(law, schedule, rng):
    for t in interior_times(schedule):
        x, alpha, sigma = states(law, t, 5, rng), schedule.alpha(t), schedule.sigma(t)
        data, noise, score = law.data(x, t), law.noise(x, t), law.score(x, t)
        close(alpha * data + sigma * noise, x)
        close(-sigma * score, noise)
        close((x + sigma**2 * score) / alpha, data)


def test_times_of_each_sample(law, schedule, rng):
    times = interior_times(schedule)
    x = torch.cat([states(law, t, 1, rng) for t in times])
    batched = torch.tensor(times, dtype=torch.float64)
    for face in FACES:
        expected = torch.cat([getattr(law, face)(x[i : i + 1], t) for i, t in enumerate(times)])
        close(getattr(law, face)(x, batched), expected, 1e-13)
    close(law.log_prob(x, batched), torch.cat([law.log_prob(x[i : i + 1], t) for i, t in enumerate(times)]), 1e-13)
    close(law.mmse(batched), [law.mmse(t) for t in times], 1e-13)
    close(law.entropy(batched), [law.entropy(t) for t in times], 1e-13)


def test_a_sample_does_not_see_its_batch(law, schedule, rng):
    t = interior_times(schedule)[1]
    x = states(law, t, 6, rng)
    for face in FACES:
        close(getattr(law, face)(x, t)[2:3], getattr(law, face)(x[2:3], t), 1e-14)


def test_score_is_the_gradient_of_log_prob(law, schedule, rng):
    for t in interior_times(schedule):
        x = states(law, t, 4, rng).requires_grad_()
        (gradient,) = torch.autograd.grad(law.log_prob(x, t).sum(), x)
        close(law.score(x.detach(), t), gradient)


def test_posterior_covariance_is_the_curvature_of_log_prob(law, schedule, rng):
    """Cov[x_0 | x_t] = (sigma / alpha)^2 (I + sigma^2 Hessian of log q_t), and mmse is its trace."""
    eye = torch.eye(3, dtype=torch.float64)
    for t in interior_times(schedule):
        x, ratio = states(law, t, 1, rng), schedule.sigma(t) / schedule.alpha(t)
        hessian = torch.autograd.functional.hessian(lambda y, t=t: law.log_prob(y[None], t)[0], x[0])
        expected = ratio**2 * (eye + schedule.sigma(t) ** 2 * hessian)
        close(law.posterior_covariance(t).matrix(), expected, 1e-9)
        assert law.mmse(t) == pytest.approx(expected.trace().item(), rel=1e-8)


def test_the_schedule_is_only_a_change_of_units(law, schedule, rng):
    other = law.on(wb.schedules.VE())
    assert isinstance(other, GaussianDenoiser)
    for t in interior_times(schedule):
        x, alpha = states(law, t, 4, rng), schedule.alpha(t)
        rho = schedule.sigma(t) / alpha
        close(law.data(x, t), other.data(x / alpha, rho))
        close(law.noise(x, t), other.noise(x / alpha, rho))
        close(law.score(x, t), other.score(x / alpha, rho) / alpha)
        close(law.data(x, t), Rescheduled(other, schedule).data(x, t))


def test_residual_outside_a_low_rank(schedule, rng):
    basis = torch.linalg.qr(torch.randn(8, 2, generator=rng, dtype=torch.float64)).Q
    law = GaussianDenoiser(torch.zeros(8, dtype=torch.float64), LowRank(basis, torch.tensor([3.0, 1.0]), 0.0), schedule)
    x = torch.randn(3, 8, generator=rng, dtype=torch.float64)
    outside = x - x @ basis @ basis.T
    for t in interior_times(schedule):
        sigma = schedule.sigma(t)
        close(law.score(outside, t), -outside / sigma**2)
        close(law.noise(outside, t), outside / sigma)
        close(law.data(outside, t), torch.zeros(3, 8))
        s = 0.5 * t
        close(law.flow(outside, t, s), outside * schedule.sigma(s) / sigma)


def test_low_rank_agrees_with_dense(schedule, rng):
    basis = torch.linalg.qr(torch.randn(12, 4, generator=rng, dtype=torch.float64)).Q
    values, mean = torch.tensor([9.0, 3.0, 1.0, 0.2], dtype=torch.float64), torch.randn(3, 2, 2, generator=rng)
    low = GaussianDenoiser(mean, LowRank(basis, values, 0.05), schedule)
    dense = GaussianDenoiser(mean, low.covariance.matrix(), schedule)
    for t in interior_times(schedule):
        x = states(low, t, 3, rng)
        for face in FACES:
            close(getattr(low, face)(x, t), getattr(dense, face)(x, t))
        close(low.log_prob(x, t), dense.log_prob(x, t))
        close(low.flow(x, t, 0.0), dense.flow(x, t, 0.0))


def test_edm_network_that_answers_zero_is_the_isotropic_gaussian(schedule, rng):
    edm = wb.EDMDenoiser(lambda x, times: torch.zeros_like(x), 0.5, schedule)
    law = GaussianDenoiser(torch.zeros(3), 0.25, schedule)
    for t in interior_times(schedule):
        x = states(law, t, 4, rng)
        close(law.data(x, t), edm.data(x, t))
        close(law.velocity(x, t), edm.velocity(x, t))


def test_limits_at_the_data(law, mean, sigma_matrix, schedule, rng):
    x = torch.randn(4, 3, generator=rng, dtype=torch.float64)
    assert torch.equal(law.data(x, 0.0), x / schedule.alpha(0.0))
    close(law.noise(x, 0.0), torch.zeros(4, 3))
    close(law.score(x, 0.0), -torch.linalg.solve(sigma_matrix, (x - mean).T).T)
    close(law.velocity(x, 0.0), law.velocity(x, 1e-11), 1e-6)
    if math.isfinite(schedule.d_sigma(0.0)):  # then sigma sigma' = 0
        expected = schedule.d_alpha(0.0) * x / schedule.alpha(0.0)
    else:  # alpha^2 + sigma^2 = 1, so sigma sigma' = -alpha alpha'
        expected = schedule.d_alpha(0.0) * (mean + (x - mean) - torch.linalg.solve(sigma_matrix, (x - mean).T).T)
    close(law.velocity(x, 0.0), expected)
    zero = torch.zeros(4, dtype=torch.float64)
    for face in FACES:
        close(getattr(law, face)(x, zero), getattr(law, face)(x, 0.0), 1e-12)


@pytest.mark.parametrize("schedule", [wb.schedules.Rectified(), wb.schedules.Cosine()], ids=["Rectified", "Cosine"])
def test_limits_at_pure_noise(law, mean, schedule, rng):
    x = torch.randn(4, 3, generator=rng, dtype=torch.float64)
    assert schedule.alpha(1.0) == 0
    sigma = schedule.sigma(1.0)
    close(law.data(x, 1.0), mean.expand(4, 3))
    close(law.noise(x, 1.0), x / sigma)
    close(law.score(x, 1.0), -x / sigma**2)
    close(law.velocity(x, 1.0), schedule.d_alpha(1.0) * mean + schedule.d_sigma(1.0) * x / sigma)
    close(law.velocity(x, 1.0), law.velocity(x, 1 - 1e-10), 1e-7)


def test_a_singular_law_at_the_data(schedule):
    law = GaussianDenoiser(torch.zeros(2), torch.tensor([1.0, 0.0]), schedule)
    x = torch.tensor([[0.3, 0.0]], dtype=torch.float64)
    assert torch.equal(law.data(x, 0.0), x / schedule.alpha(0.0))
    for face in ("noise", "score"):
        with pytest.raises(ValueError, match=f"{face} is infinite at t = 0"):
            getattr(law, face)(x, 0.0)
    with pytest.raises(ValueError, match="singular"):
        law.log_prob(x, 0.0)
    assert law.entropy(0.0) == -math.inf
    assert law.mmse(0.0) == 0
    if math.isfinite(schedule.d_sigma(0.0)):
        close(law.velocity(x, 0.0), schedule.d_alpha(0.0) * x / schedule.alpha(0.0))
    else:
        with pytest.raises(ValueError, match="velocity is infinite"):
            law.velocity(x, 0.0)


def test_float32_keeps_seven_digits(law, schedule, rng):
    for t in [*interior_times(schedule), schedule.t_last]:
        x = states(law, t, 64, rng).float()
        for face in FACES:
            narrow, full = getattr(law, face)(x, t), getattr(law, face)(x.double(), t)
            assert narrow.dtype == torch.float32
            # what rounding the input and the centered state to float32 can do, amplified by the slope of the face
            slope = (getattr(law, face)(x.double() * (1 + 1e-7) + 1e-7, t) - full).abs().max().item()
            assert (narrow - full).abs().max() <= 4 * slope + 1e-6 * full.abs().max()
    assert law.data(x.half(), t).dtype == torch.float16


def test_noise_is_not_made_from_data(rng):
    """Near the data the noise would lose three digits if it were (x - alpha data) / sigma in float32."""
    schedule = wb.schedules.VP()
    law = GaussianDenoiser(torch.zeros(2), torch.tensor([1.0, 0.5]), schedule)
    t = 1e-4
    x = law.sample(256, t, generator=rng)
    exact = law.noise(x.double(), t)
    direct = ((law.noise(x, t) - exact).norm() / exact.norm()).item()
    around = (((x - schedule.alpha(t) * law.data(x, t)) / schedule.sigma(t) - exact).norm() / exact.norm()).item()
    assert direct < 1e-6 < 1e-4 < around


def test_no_nan_at_extreme_states_and_times(schedule):
    law = GaussianDenoiser(torch.zeros(2), Diagonal(torch.tensor([1.0, 0.0])), schedule)
    for dtype, size in ((torch.float32, 1e18), (torch.float64, 1e100)):
        x = torch.tensor([[size, 0.0], [0.0, 0.0], [-size, size]], dtype=dtype)
        for t in (1e-30, schedule.t_last, schedule.t_first):
            for face in FACES:
                assert not getattr(law, face)(x, t).isnan().any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: GaussianDenoiser(torch.zeros(3), torch.eye(2), s), "2 dimensions, the mean has 3"),
        (lambda s: GaussianDenoiser(torch.tensor([0.0, math.nan]), torch.eye(2), s), "finite mean"),
        (lambda s: GaussianDenoiser(torch.tensor(0.0), torch.eye(1), s), "at least one axis"),
        (lambda s: GaussianDenoiser.fit(torch.rand(5, 2), s, rank=3), "between 1 and 2"),
        (lambda s: GaussianDenoiser.fit(torch.rand(5, 2), s, floor=-1.0), "floor must be finite"),
        (lambda s: GaussianDenoiser(torch.zeros(2), 1.0, s).data(torch.zeros(4, 3), 0.5), r"\(4, 3\); this law needs \(batch, 2\)"),
        (lambda s: GaussianDenoiser(torch.zeros(2), 1.0, s).data(torch.zeros(2), 0.5), "batch axis"),
        (lambda s: GaussianDenoiser(torch.zeros(2), 1.0, s).face("data", torch.zeros(4, 2), torch.zeros(3)), r"\(4,\) tensor"),
        (lambda s: GaussianDenoiser(torch.zeros(2), 1.0, s).data(torch.zeros(4, 2), 1.5), "outside"),
        (lambda s: GaussianDenoiser(torch.zeros(2), 1.0, s).face("color", torch.zeros(4, 2), 0.5), "color"),
        (lambda s: GaussianDenoiser(torch.zeros(2), 1.0, s).sample(0, generator=torch.Generator()), "n >= 1"),
        (lambda s: GaussianDenoiser(torch.zeros(2), 1.0, s).bits_per_dim(torch.zeros(1, 2), bin_width=0.0), "bin_width"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make(wb.schedules.VP())


def test_refuses_types():
    schedule = wb.schedules.VP()
    with pytest.raises(TypeError):
        GaussianDenoiser(torch.zeros(2, dtype=torch.int64), 1.0, schedule)
    with pytest.raises(TypeError):
        GaussianDenoiser(torch.zeros(2), "identity", schedule)
    with pytest.raises(TypeError):
        GaussianDenoiser(torch.zeros(2), 1.0, schedule).data(torch.zeros(4, 2, dtype=torch.int64), 0.5)
