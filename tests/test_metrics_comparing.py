"""Intervals that cover as often as they say, pairs that cancel noise, and seeds that suffice."""

import math

import pytest
import torch

from workbench import metrics


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def coverage(n, runs=2000, **options):
    draws = torch.randn(runs, n, dtype=torch.float64, generator=rng(1))
    found = [metrics.confidence_interval(row, **options) for row in draws]
    return sum(i.low <= 0 <= i.high for i in found) / runs


def test_students_interval_covers_as_often_as_it_says():
    error = math.sqrt(0.95 * 0.05 / 2000)
    assert coverage(4) == pytest.approx(0.95, abs=4 * error)


def test_the_bootstrap_is_too_short_for_few_values():
    assert coverage(4, 500, resamples=400, generator=rng(2)) < 0.88
    assert coverage(60, 500, resamples=400, generator=rng(3)) > 0.92


def test_interval_against_scipy():
    from scipy import stats

    x = torch.randn(7, dtype=torch.float64, generator=rng(4))
    low, high = stats.t.interval(0.9, 6, loc=x.mean().item(), scale=stats.sem(x.numpy()))
    assert metrics.confidence_interval(x, 0.9) == pytest.approx((x.mean().item(), low, high))


def test_pairs_cancel_what_is_common():
    common = torch.randn(400, dtype=torch.float64, generator=rng(5))
    a, b = (common + 0.1 * torch.randn(400, dtype=torch.float64, generator=rng(s)) for s in (6, 7))
    found = metrics.paired_difference(a + 0.05, b)
    assert found.standard_error == pytest.approx(0.1 * math.sqrt(2 / 400), rel=0.15)
    assert abs(found.value - 0.05) < 4 * found.standard_error


def test_the_seeds_needed_find_the_effect_as_often_as_promised():
    n = metrics.seeds_needed(0.5, 1.0, power=0.8)
    assert n == math.ceil(2 * ((1.959964 + 0.841621) / 0.5) ** 2)
    draws = torch.randn(4000, 2, n, dtype=torch.float64, generator=rng(8))
    gap = draws[:, 0].mean(1) + 0.5 - draws[:, 1].mean(1)
    found = (gap.abs() > 1.959964 * math.sqrt(2 / n)).double().mean().item()
    assert found == pytest.approx(0.8, abs=0.03)
    assert metrics.seeds_needed(0.5, 1.0, correlation=0.9) == pytest.approx(n / 10, abs=1)


def test_what_is_refused():
    x = torch.zeros(3)
    with pytest.raises(ValueError, match="n >= 2"):
        metrics.confidence_interval(x[:1])
    with pytest.raises(ValueError, match="level"):
        metrics.confidence_interval(x, 1.0)
    with pytest.raises(ValueError, match="generator"):
        metrics.confidence_interval(x, resamples=100)
    with pytest.raises((ValueError, TypeError), match=r"as many of each|violates type hint"):
        metrics.paired_difference(x, x[:2])
    with pytest.raises(ValueError, match="effect"):
        metrics.seeds_needed(0.0, 1.0)


def test_inception_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match="needs finite"):
        metrics.inception_features(torch.full((1, 3, 8, 8), math.nan), tmp_path / "absent")
    with pytest.raises((ImportError, FileNotFoundError), match="torch-fidelity"):
        metrics.inception_features(torch.zeros(1, 3, 8, 8), tmp_path / "absent")


def test_inception_is_given_pixels_and_returns_its_features(tmp_path, monkeypatch):
    import sys
    from types import ModuleType

    class Extractor:
        def __init__(self, name, features_list, feature_extractor_weights_path):
            assert features_list == ["2048"] and feature_extractor_weights_path == str(tmp_path / "w")

        def __call__(self, pixels):
            assert pixels.dtype == torch.uint8
            return (pixels.float().mean((1, 2, 3))[:, None].expand(-1, 2048),)

    module = ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.FeatureExtractorInceptionV3 = Extractor
    monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "w").write_bytes(b"")
    found = metrics.inception_features(torch.tensor([-1.0, 0.0, 2.0]).view(3, 1, 1, 1).expand(3, 3, 4, 4), tmp_path / "w", batch=2)
    assert found.shape == (3, 2048) and found[:, 0].tolist() == [0, 128, 255]
