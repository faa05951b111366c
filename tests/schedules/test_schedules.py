"""Schedules against their textbook definitions in 50 digits, their derivatives, inverses, ends and bookkeeping."""

import copy
import itertools
import math
import pickle

import mpmath
import numpy as np
import pytest
import torch
from helpers import PRESERVING, SCHEDULES, SINGULAR_START, lam, levels, linear_table, mp_levels, name, times
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from workbench.draws import check_generators
from workbench.schedules import VE, VP, Cosine, DiscreteVP, Rectified

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


def extreme(schedule) -> list[float]:
    """Times very near both ends, and some between."""
    if isinstance(schedule, VE):
        return [1e-12, 1e-6, 2e-3, 1.0, 80.0, 1e6]
    top = [1.0] if not isinstance(schedule, Cosine | Rectified) else [1 - 1e-9, 1 - 2.0**-40]
    return [1e-12, 1e-8, 1e-3, 0.25, 0.5, 0.77, 0.999, *top]


@every
def test_definition_to_the_last_digits(schedule) -> None:
    for t in extreme(schedule):
        alpha, sigma = mp_levels(schedule, t)
        conditioning = 1e-6 if 1 - 1e-6 < t < 1 and isinstance(schedule, Cosine) else 4e-13
        assert schedule.alpha(t) == pytest.approx(float(alpha), rel=conditioning)
        assert schedule.sigma(t) == pytest.approx(float(sigma), rel=4e-13)
        assert schedule.log_snr(t) == pytest.approx(float(mpmath.log(alpha / sigma)), abs=1e-6 if conditioning > 1e-9 else 1e-12)


@pytest.mark.parametrize("schedule", PRESERVING, ids=name)
def test_variance_is_preserved(schedule) -> None:
    t = torch.linspace(0, 1, 1001, dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, torch.ones_like(t), rtol=0, atol=4e-15)


@every
def test_ends_are_exact(schedule) -> None:
    zero = torch.zeros(1, dtype=torch.float64)
    assert schedule.alpha(0.0) == 1 and schedule.sigma(0.0) == 0 and schedule.log_snr(0.0) == math.inf
    assert schedule.alpha(zero).item() == 1 and schedule.sigma(zero).item() == 0
    assert schedule.log_snr(zero).item() == math.inf
    assert schedule.inverse_log_snr(math.inf) == 0
    assert schedule.inverse_log_snr(torch.tensor([math.inf])).item() == 0
    assert 0 < schedule.t_last < schedule.t_first <= schedule.t_max
    assert min(schedule.alpha(schedule.t_first), schedule.sigma(schedule.t_last)) > 0


@pytest.mark.parametrize("schedule", SINGULAR_START, ids=name)
def test_the_noisy_end_has_exactly_no_signal(schedule) -> None:
    one = torch.ones(2, dtype=torch.float64)
    assert schedule.alpha(1.0) == 0 and schedule.alpha(one).tolist() == [0, 0]
    assert schedule.sigma(1.0) == pytest.approx(1, abs=1e-15)
    assert schedule.log_snr(1.0) == -math.inf and schedule.log_snr(one).tolist() == [-math.inf] * 2
    assert schedule.inverse_log_snr(-math.inf) == pytest.approx(1, abs=1e-15)


@every
def test_floats_and_tensors_agree(schedule) -> None:
    t = torch.tensor(times(schedule, 23), dtype=torch.float64)
    for method in ("alpha", "sigma", "log_snr", "d_alpha", "d_sigma", "d_log_snr", "drift", "diffusion"):
        by_tensor = getattr(schedule, method)(t.view(-1, 1))
        assert by_tensor.shape == (23, 1) and by_tensor.dtype == torch.float64
        by_float = torch.tensor([getattr(schedule, method)(value) for value in t.tolist()], dtype=torch.float64)
        assert all(type(getattr(schedule, method)(value)) is float for value in t.tolist())
        torch.testing.assert_close(by_tensor[:, 0], by_float, rtol=1e-13, atol=1e-15)
    back = schedule.inverse_log_snr(schedule.log_snr(t))
    again = torch.tensor([schedule.inverse_log_snr(schedule.log_snr(value)) for value in t.tolist()], dtype=torch.float64)
    torch.testing.assert_close(back, again, rtol=1e-13, atol=0)
    assert schedule.alpha(t.float()).dtype == torch.float64  # coefficients are float64 whatever the times are


@every
def test_derivatives_by_autograd_and_differences(schedule) -> None:
    inside = times(schedule, 14)[1:-1]  # none of them a node of the table
    t = torch.tensor(inside, dtype=torch.float64, requires_grad=True)
    for value, slope in (("alpha", "d_alpha"), ("sigma", "d_sigma"), ("log_snr", "d_log_snr")):
        (wanted,) = torch.autograd.grad(getattr(schedule, value)(t).sum() + 0 * t.sum(), t)
        torch.testing.assert_close(getattr(schedule, slope)(t.detach()), wanted, rtol=1e-11, atol=1e-13)
    for at in inside:
        h = 1e-6 * at
        for which, slope in ((0, schedule.d_alpha), (1, schedule.d_sigma)):
            difference = float((mp_levels(schedule, at + h)[which] - mp_levels(schedule, at - h)[which]) / (2 * mpmath.mpf(h)))
            assert slope(at) == pytest.approx(difference, rel=2e-7, abs=1e-10)


@every
def test_infinite_derivatives_are_said_to_be_infinite(schedule) -> None:
    assert schedule.d_sigma(0.0) == (1.0 if isinstance(schedule, VE | Rectified) else math.inf)
    assert schedule.d_log_snr(0.0) == -math.inf
    if schedule in SINGULAR_START:
        assert schedule.d_log_snr(1.0) == schedule.drift(1.0) == -math.inf and schedule.diffusion(1.0) == math.inf
        one = torch.ones(1, dtype=torch.float64)
        assert schedule.drift(one).item() == -math.inf and schedule.diffusion(one).item() == math.inf
    zero = torch.zeros(1, dtype=torch.float64)
    start = {"VP": math.sqrt(0.1), "VE": 0.0, "Rectified": 0.0, "DiscreteVP": math.sqrt(-1000 * math.log1p(-1e-4))}
    s = getattr(schedule, "offset", 0.0)  # cosine: g^2 = beta = -2 (log alpha)' = pi tan(b) / (1 + s)
    start["Cosine"] = math.sqrt(math.pi / (1 + s) * math.tan(math.pi / 2 * s / (1 + s)))
    assert schedule.diffusion(0.0) == pytest.approx(start[name(schedule)], rel=1e-12)
    assert schedule.diffusion(zero).item() == pytest.approx(start[name(schedule)], rel=1e-12)


@every
def test_time_to_log_snr_and_back_is_exact(schedule) -> None:
    dense = (
        np.geomspace(1e-7, 1e4, 400)
        if isinstance(schedule, VE)
        else np.concatenate([np.geomspace(1e-9, 1e-2, 200), np.linspace(1e-2, min(schedule.t_first, 0.999), 500)])
    )
    t = torch.tensor(dense, dtype=torch.float64)
    torch.testing.assert_close(schedule.inverse_log_snr(schedule.log_snr(t)), t, rtol=1e-12, atol=1e-13)
    for value in dense[::17].tolist():
        assert schedule.inverse_log_snr(schedule.log_snr(value)) == pytest.approx(value, rel=1e-12, abs=1e-13)


@every
@given(fraction=st.floats(1e-9, 1.0))
def test_inverse_of_any_time(schedule, fraction) -> None:
    t = fraction * schedule.t_first
    assert schedule.inverse_log_snr(schedule.log_snr(t)) == pytest.approx(t, rel=1e-11, abs=1e-12)
    assert schedule.inverse_log_snr(lam(schedule, t)) == pytest.approx(t, rel=1e-11, abs=1e-12)


@every
@given(pair=st.tuples(st.floats(-30, 30), st.floats(-30, 30)))
def test_inverse_decreases_and_is_finite_far_out(schedule, pair) -> None:
    low, high = sorted(pair)
    assert 0 <= schedule.inverse_log_snr(high) <= schedule.inverse_log_snr(low) < math.inf


@pytest.mark.parametrize("schedule", [*SCHEDULES[:4], DiscreteVP([0.8, 0.5, 0.2, 0.05])], ids=name)
def test_forward_process_has_these_marginals(schedule) -> None:
    """Integrate mean and variance of dx = f x dt + g dW, and compare with alpha and sigma^2."""
    start, stop = schedule.t_last, 0.9 * schedule.t_first
    pieces = np.linspace(0.25, 1, 4).tolist() if isinstance(schedule, DiscreteVP) else [start, stop]  # no kink inside a piece
    alpha, sigma = levels(schedule, pieces[0])
    y = [alpha, sigma**2]
    for begin, end in itertools.pairwise(pieces):

        def moments(t, y, end=end):
            t = min(float(t), end * (1 - 1e-12))
            f, g = schedule.drift(t), schedule.diffusion(t)
            return [f * y[0], 2 * f * y[1] + g * g]

        y = solve_ivp(moments, (begin, end), y, rtol=1e-9, atol=1e-12).y[:, -1]
    alpha, sigma = levels(schedule, pieces[-1])
    assert y == pytest.approx([alpha, sigma**2], rel=2e-6)


@every
def test_diffusion_is_the_growth_of_noise_over_signal(schedule) -> None:
    """g^2 = alpha^2 d(sigma^2 / alpha^2)/dt, by differences."""
    for t in times(schedule, 14)[1:-1]:
        with mpmath.workdps(50):
            h = mpmath.mpf(t) * mpmath.mpf("1e-8")
            ratio = [(b / a) ** 2 for a, b in (mp_levels(schedule, t + h), mp_levels(schedule, t - h))]
            wanted = mpmath.sqrt(mp_levels(schedule, t)[0] ** 2 * (ratio[0] - ratio[1]) / (2 * h))
        assert schedule.diffusion(t) == pytest.approx(float(wanted), rel=1e-9)


def test_discrete_nodes_are_the_table() -> None:
    table = linear_table()
    schedule = DiscreteVP(table.tolist())
    assert schedule == DiscreteVP(torch.tensor(table)) and schedule.levels == 1000
    assert DiscreteVP.linear().alphas_cumprod == pytest.approx(table, rel=1e-13)
    for n in (0, 1, 17, 499, 998, 999):
        t = (n + 1) / 1000
        assert schedule.alpha(t) ** 2 == pytest.approx(table[n], rel=1e-13)
        assert schedule.sigma(t) ** 2 == pytest.approx(1 - table[n], rel=1e-12)
        assert schedule.level(t) == pytest.approx(n, abs=1e-12)
    half = math.sqrt(schedule.alpha(0.4) * schedule.alpha(0.401))  # log alpha is linear between nodes
    assert schedule.alpha(0.4005) == pytest.approx(half, rel=1e-13)
    assert schedule.level(torch.tensor([0.5, 1.0])).tolist() == [499, 999]
    assert schedule.t_last == 1e-3 and schedule.t_first == 1


@every
def test_prior_is_sigma_times_noise(schedule) -> None:
    draw = schedule.prior((4000, 3), schedule.t_first, generator=torch.Generator().manual_seed(1))
    sigma = levels(schedule, schedule.t_first)[1]
    assert draw.shape == (4000, 3) and draw.dtype == torch.float32
    assert abs(draw.mean().item()) < 4 * sigma / math.sqrt(12000)
    assert draw.std().item() == pytest.approx(sigma, rel=4 / math.sqrt(24000))
    unit = torch.randn(4000, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(draw, unit * sigma, rtol=1e-6, atol=0)
    double = schedule.prior((4000, 3), schedule.t_first, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), draw, rtol=1e-6, atol=0)


def test_a_generator_each_makes_samples_independent_of_the_batch() -> None:
    seeds = (5, 6, 7)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    together = VP().prior((3, 2, 2), 1.0, generator=generators)
    for i, seed in enumerate(seeds):
        alone = VP().prior((1, 2, 2), 1.0, generator=[torch.Generator().manual_seed(seed)])
        assert torch.equal(together[i : i + 1], alone)


@every
def test_hash_pickle_copy(schedule) -> None:
    schedule.log_snr(0.5)
    for twin in (pickle.loads(pickle.dumps(schedule)), copy.deepcopy(schedule), copy.copy(schedule)):
        assert twin == schedule and hash(twin) == hash(schedule)
        assert twin.sigma(0.25) == schedule.sigma(0.25)
    assert len({*SCHEDULES, schedule}) == len(SCHEDULES)
    assert VP(beta_max=10.0) != VP() and VP() != Rectified()


def test_memory_of_times_stays_bounded() -> None:
    schedule = VE()
    for i in range(1, 45_000):
        schedule.sigma(float(i))
    assert len(schedule.memo) <= 20_000 and schedule.sigma(3.0) == 3.0


@every
def test_times_outside_are_refused(schedule) -> None:
    bad = [-1e-9, math.nan] + ([1.5] if schedule.t_max == 1 else [])
    for t in bad:
        with pytest.raises(ValueError, match="outside"):
            schedule.alpha(t)
        with pytest.raises(ValueError, match="outside"):
            schedule.sigma(torch.tensor([0.5, t]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VP(beta_min=0.0), "0 < beta_min < beta_max"),
        (lambda: VP(beta_min=30.0), "0 < beta_min < beta_max"),
        (lambda: VP(t_last=0.0), "t_last < t_first"),
        (lambda: VP(t_first=2.0), "t_last < t_first <= 1"),
        (lambda: VE(t_first=1e-3), "t_last < t_first"),
        (lambda: Rectified(t_first=1.5), "t_last < t_first"),
        (lambda: Cosine(offset=0.0), "positive, finite offset"),
        (lambda: Cosine(t_last=-1.0), "t_last < t_first"),
        (lambda: DiscreteVP([]), "strictly decreasing"),
        (lambda: DiscreteVP([0.9, 0.9]), "strictly decreasing"),
        (lambda: DiscreteVP([0.9, 0.0]), "drop its last entry"),
        (lambda: DiscreteVP([1.0, 0.5]), "strictly decreasing"),
        (lambda: check_generators(None, 2, "prior"), "prior draws noise.*pass generator=torch.Generator"),
        (lambda: VP().prior((2, 2), 1.0, generator=[torch.Generator()]), "1 generators for a batch of 2"),
    ],
)
def test_messages(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()
