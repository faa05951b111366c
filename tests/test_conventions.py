"""Each paper's clock against the formula printed in that paper, and every output back to the data."""

import math

import pytest
import torch

from workbench import conventions
from workbench.conventions import ALL, DDPM, DPM_SOLVER, EDM, FLOW_MATCHING, IMPROVED_DDPM, SCORE_SDE

INSIDE = [(c, c.first + fraction * (c.last - c.first)) for c in ALL for fraction in (0.02, 0.35, 0.7, 0.98)]
inside = pytest.mark.parametrize(("convention", "u"), INSIDE, ids=lambda value: getattr(value, "name", None))


def test_ddpm_is_the_cumulative_product_of_its_betas():
    alpha_bar = 1.0
    for n in range(1, 1001):
        alpha_bar *= 1 - (1e-4 + (0.02 - 1e-4) * (n - 1) / 999)
        if n in (1, 2, 300, 999, 1000):
            alpha, sigma = DDPM.levels(float(n))
            assert alpha == pytest.approx(math.sqrt(alpha_bar), rel=1e-12)
            assert sigma == pytest.approx(math.sqrt(1 - alpha_bar), rel=1e-9)


def test_cosine_table_of_improved_ddpm():
    def f(u):
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    for u in (0.1, 0.5, 0.9):
        assert IMPROVED_DDPM.levels(u)[0] ** 2 == pytest.approx(f(u) / f(0), rel=1e-12)


def test_score_sde_transition_kernel():
    for t in (0.01, 0.5, 1.0):
        mean = math.exp(-0.25 * t**2 * (20 - 0.1) - 0.5 * t * 0.1)
        assert SCORE_SDE.levels(t) == pytest.approx((mean, math.sqrt(1 - mean**2)), rel=1e-9)


def test_dpm_solver_counts_in_half_log_snr():
    for lam in (-4.0, 0.0, 5.0):
        alpha, sigma = DPM_SOLVER.levels(lam)
        assert math.log(alpha / sigma) == pytest.approx(lam, rel=1e-9, abs=1e-9)
        assert alpha**2 + sigma**2 == pytest.approx(1, rel=1e-12)


def test_edm_and_flow_matching():
    assert EDM.levels(2.5) == (1.0, 2.5)
    assert FLOW_MATCHING.levels(0.75) == (0.75, 0.25)


@inside
def test_clock_and_lambda_are_inverse(convention, u):
    assert convention.at(convention.log_snr(u)) == pytest.approx(u, rel=1e-7, abs=1e-9)


@inside
def test_there_and_back_through_every_other_convention(convention, u):
    lam = convention.log_snr(u)
    for other in ALL:
        v = other.at(lam)
        if min(other.first, other.last) < v < max(other.first, other.last):
            assert convention.convert(u, other) == v
            assert other.convert(v, convention) == pytest.approx(u, rel=1e-6, abs=1e-8)


@inside
def test_data_from_the_papers_own_output(convention, u):
    rng = torch.Generator().manual_seed(1)
    x0, noise = torch.randn(2, 5, 3, generator=rng, dtype=torch.float64)
    alpha, sigma = convention.levels(u)
    x = alpha * x0 + sigma * noise
    papers = {
        "DDPM": noise,
        "Improved DDPM": noise,
        "Score SDE (VP)": -noise / sigma,
        "DPM-Solver": noise,
        "EDM": x0,
        "Flow matching": x0 - noise,
        "Rectified flow": x0 - noise,
        "Stable Diffusion 3": noise - x0,
    }
    torch.testing.assert_close(convention.data(x, papers[convention.name], u), x0, rtol=1e-7, atol=1e-7)


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"DDPM counts from 1000 \(noise\) to 1 \(data\), got 0.5"):
        DDPM.levels(0.5)
    with pytest.raises(ValueError, match="does not determine the data"):
        IMPROVED_DDPM.data(torch.zeros(1), torch.zeros(1), 1.0)


def test_infinite_at_the_ends():
    assert FLOW_MATCHING.log_snr(0.0) == -math.inf
    assert FLOW_MATCHING.log_snr(1.0) == math.inf
    assert len({c.name for c in conventions.ALL}) == len(conventions.ALL)
