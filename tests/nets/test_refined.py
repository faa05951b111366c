"""The refined schedule: linear for constant gradients, never a worse guarantee, and as good as linear decay where it can be measured."""

import numpy as np
import pytest
from scipy.optimize import minimize

from workbench.nets.training.rates import Constant, Linear
from workbench.nets.training.refined import Refined


def test_constant_norms_give_linear_decay():
    for count in (50, 999, 4000):
        schedule = Refined.from_norms([3.0] * count)
        assert max(abs(schedule.decay(z) - (1 - z)) for z in np.linspace(0, 1, 37)) < 1e-12


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_it_is_the_published_formula_on_smooth_norms(power):
    """The median of a monotone sequence is its middle, so the filter changes little, and only near the ends."""
    norms = 3 - 2 * np.linspace(0, 1, 801)
    weights = norms**-power
    eta = weights * (weights.sum() - np.cumsum(weights))
    table = np.array(Refined.from_norms(norms, power=power, width=0.01).table)
    np.testing.assert_allclose(table, eta / eta.max(), atol=2e-3)


def test_large_gradients_at_the_start_make_a_warmup_and_shrinking_ones_keep_the_rate_up():
    t = np.linspace(0, 1, 500)
    warm = Refined.from_norms(1 + 9 * np.exp(-t / 0.05))
    assert warm.decay(0.0) < 0.2 < 0.9 < max(warm.table) and 0.1 < np.argmax(warm.table) / 500 < 0.4
    late = Refined.from_norms(2 - t)
    assert all(late.decay(z) > 1 - z + 0.02 for z in (0.3, 0.5, 0.7))


def test_a_spike_is_filtered_away():
    norms = np.ones(500)
    spiked = norms.copy()
    spiked[[100, 101, 300]] = 1000.0
    assert Refined.from_norms(spiked).table == Refined.from_norms(norms).table


def test_its_guarantee_is_never_worse_than_that_of_linear_decay():
    """The bound on the last iterate is D sqrt(sum w^2 G^2) / sum w; linear decay is w = 1, refinement w = 1 / G^2."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        norms = np.exp(rng.normal() * np.sin(np.linspace(0, rng.uniform(1, 9), 300)) * 2)
        bound = lambda w, norms=norms: np.sqrt((w**2 * norms**2).sum()) / w.sum()  # noqa: E731
        assert bound(norms**-2) <= bound(np.ones(300)) * (1 + 1e-12)
        assert bound(norms**-2) < 0.98 * bound(np.ones(300)) or norms.std() / norms.mean() < 0.2


def logistic(seed):
    """Rows y a of a logistic regression with uneven features."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(300, 10)) * np.logspace(0, -1.5, 10)
    truth = 3 * rng.normal(size=10)
    return rows * np.where(rng.uniform(size=300) < 1 / (1 + np.exp(-rows @ truth)), 1, -1)[:, None]


def descend(rows, rate, schedule, steps, seed):
    """The loss after stochastic gradient descent, and the gradient norms on the way."""
    rng, w, norms = np.random.default_rng(100 + seed), np.zeros(10), []
    for k in range(steps):
        some = rows[rng.integers(len(rows), size=8)]
        gradient = -(some / (1 + np.exp(some @ w))[:, None]).mean(0)
        norms.append(np.linalg.norm(gradient))
        w = w - rate * schedule.factor(k, steps) * gradient
    return np.logaddexp(0, -rows @ w).mean(), norms


def test_on_a_convex_problem_it_is_on_a_par_with_linear_decay_and_better_than_none():
    """Each at its best learning rate, in the mean over problems; here the gradients hardly change size, so a par is what to expect."""
    steps, found = 300, {name: {} for name in ("constant", "linear", "refined")}
    problems = [logistic(seed) for seed in range(6)]
    least = np.mean([minimize(lambda v, rows=rows: np.logaddexp(0, -rows @ v).mean(), np.zeros(10)).fun for rows in problems])
    for rate in (3.0, 10.0, 30.0):
        runs = {name: [] for name in found}
        for seed, rows in enumerate(problems):
            runs["constant"].append(descend(rows, rate, Constant(), steps, seed)[0])
            loss, norms = descend(rows, rate, Linear(), steps, seed)
            runs["linear"].append(loss)
            runs["refined"].append(descend(rows, rate, Refined.from_norms(norms, power=2), steps, seed)[0])
        for name, losses in runs.items():
            found[name][rate] = np.mean(losses) - least
    best = {name: min(losses.values()) for name, losses in found.items()}
    assert best["refined"] < 1.15 * best["linear"]
    assert best["refined"] < 0.8 * best["constant"]


@pytest.mark.parametrize(
    ("norms", "more"), [([1.0] * 9, {}), ([1.0] * 20 + [0.0], {}), ([1.0] * 20 + [float("nan")], {}), ([1.0] * 20, {"width": 1.0})]
)
def test_a_refinement_needs_a_run(norms, more):
    with pytest.raises(ValueError, match="refinement needs|width="):
        Refined.from_norms(norms, **more)
    with pytest.raises(ValueError, match="at least two factors"):
        Refined(0, (1.0,))
