"""The law of whole numbers: its bins are what SciPy's logistic law says, add up to 1 with the tails, and do not vanish far out."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import logistic

from workbench.quantizers.integer_flows import LogisticMixture, log_bin, tables
from workbench.quantizers.integer_flows.frequencies import TOTAL, Tables, whole_frequencies


def mixture(rng, channels=3, components=3):
    prior = LogisticMixture(channels, components).double()
    with torch.no_grad():
        for p in prior.parameters():
            p.add_(0.7 * torch.randn(p.shape, generator=rng, dtype=torch.float64))
    return prior


@pytest.mark.parametrize("components", [1, 3])
def test_all_256_symbols_and_the_tails_sum_to_one(components, rng):
    prior = mixture(rng, components=components)
    k = torch.arange(-128, 128, dtype=torch.float64).repeat(3, 1)[None, :, :, None]
    inside = (2.0 ** -prior.bits(k)).sum((0, 2, 3))
    below, above = prior.below(torch.full((3, 1), -128.5)), prior.above(torch.full((3, 1), 127.5))
    torch.testing.assert_close(inside + below[:, 0] + above[:, 0], torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_bins_against_scipy(rng):
    prior = mixture(rng)
    mean, scale, log_weight = prior.laws(torch.float64)
    k = torch.tensor([-140.0, -3.0, 0.0, 55.0, 200.0], dtype=torch.float64)
    found = 2.0 ** -prior.bits(k.repeat(3, 1)[None, :, :, None])[0, :, :, 0]
    for channel in range(3):
        law = logistic(mean[channel].detach().numpy(), scale[channel].detach().numpy())
        bins = [sum(log_weight[channel].exp().detach().numpy() * (law.cdf(float(v) + 0.5) - law.cdf(float(v) - 0.5))) for v in k]
        torch.testing.assert_close(found[channel], torch.tensor(bins, dtype=torch.float64), rtol=1e-7, atol=1e-15)


def test_far_tails_are_finite_and_have_gradients():
    prior = LogisticMixture(1, 2)
    bits = prior.bits(torch.tensor([-1e5, 0.0, 1e5]).view(1, 1, 3, 1))
    assert bits.isfinite().all() and bits.min() > 0
    bits.sum().backward()
    assert all(p.grad.isfinite().all() for p in prior.parameters())
    narrow = log_bin(torch.tensor(0.5e3), torch.tensor(1e3))
    assert float(narrow) == pytest.approx(0.0, abs=1e-6)


def test_the_derived_form_equals_the_difference_of_sigmoids(rng):
    upper, width = torch.randn(100, generator=rng, dtype=torch.float64), torch.rand(100, generator=rng, dtype=torch.float64)
    direct = (torch.sigmoid(upper) - torch.sigmoid(upper - width)).log()
    torch.testing.assert_close(log_bin(upper, width), direct)


def test_tables_add_up_and_cost_what_is_promised(rng):
    prior = mixture(rng)
    law = tables(prior)
    n = law.frequencies.shape[1]
    assert torch.equal(law.frequencies.sum(1), torch.full((3,), TOTAL)) and int(law.frequencies.min()) >= 1
    z = law.low[:, None] + torch.arange(n - 1)
    by_table, by_law = law.bits(z[None, :, :, None])[0, :, :, 0], prior.bits(z[None, :, :, None].double())[0, :, :, 0]
    most = math.log2(TOTAL / (TOTAL - n))
    assert bool((by_table <= by_law + most + 1e-9).all())
    expected = (2.0**-by_law * (by_table - by_law)).sum(1)
    assert bool((expected.abs() <= most).all())
    outside = torch.stack([law.low - 1, law.low + n - 1]).T[None, :, :, None]
    assert torch.equal(law.symbols(outside), torch.full((1, 3, 2, 1), n - 1))
    torch.testing.assert_close(
        law.bits(outside)[0, :, 0, 0], 16 - law.frequencies[:, -1].double().log2() + 64, rtol=1e-12, atol=0.0
    )


def test_tables_of_narrow_wide_and_distant_laws():
    prior = LogisticMixture(4, 1)
    with torch.no_grad():
        prior.log_scales[:, 0] = torch.tensor([-12.0, 4.0, 0.0, 0.0])
        prior.means[:, 0] = torch.tensor([0.0, 0.0, 30.0, -30.0])
    law = tables(prior)
    assert law.frequencies.shape[1] <= 1025 and torch.equal(law.frequencies.sum(1), torch.full((4,), TOTAL))
    best = law.low + law.frequencies[:, :-1].argmax(1)
    assert best[0] == 0 and abs(int(best[2]) - 1920) <= 12 and abs(int(best[3]) + 1920) <= 12


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_frequencies_for_any_weights(weights):
    p = torch.tensor([weights], dtype=torch.float64) + 1e-12
    counts = whole_frequencies(p)
    assert int(counts.sum()) == TOTAL and int(counts.min()) >= 1


def test_errors():
    with pytest.raises(ValueError, match="at least 1"):
        LogisticMixture(0)
    assert Tables(torch.tensor([0]), torch.tensor([[TOTAL]])).symbols(torch.zeros(1, 1, 1, 1).long()).item() == 0
