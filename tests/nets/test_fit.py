"""Points of the plane in one call: close to the exact denoiser, reproducible, and nothing of the caller's is changed."""

import pytest
import torch

import workbench as wb
from workbench.gaussian import GaussianPreconditioned
from workbench.nets import MLP, fit
from workbench.nets.training.rates import Constant
from workbench.schedules import VE, Rectified


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def net(seed=0, **more):
    return MLP(2, **({"width": 64, "depth": 2} | more), generator=generator(seed))


def points(count=2048):
    return wb.data.toys.ellipse(count, generator=generator(1))


def edm(seed=0, **more):
    return wb.EDMDenoiser(net(seed, **more), sigma_data=1.0)


def excess(model, exact, levels):
    """Error over the exact denoiser's, which is the least there is."""
    y, found = points(4000), []
    noise = torch.randn(y.shape, generator=generator(5))
    for t in levels:
        x = exact.schedule.alpha(t) * y + exact.schedule.sigma(t) * noise
        with torch.no_grad():
            found.append(float((model.data(x, t) - y).square().mean() / (exact.data(x, t) - y).square().mean()))
    return found


def test_it_comes_close_to_the_exact_denoiser_from_far():
    exact, levels = wb.characters.ellipse(VE()), (0.1, 0.3, 1.0, 3.0)
    before = excess(edm(), exact, levels)
    after = excess(fit(edm(), points(), steps=250, batch=256, generator=generator()), exact, levels)
    assert max(before) > 1.3 and max(after) < 1.1 and min(after) > 0.97


def test_flows_are_trained_too():
    exact = wb.characters.ellipse(Rectified())
    flow = fit(wb.NetworkDenoiser(net(), Rectified(), "velocity"), points(), steps=250, batch=256, generator=generator())
    assert max(excess(flow, exact, (0.2, 0.5, 0.8))) < 1.15


def test_with_the_right_gaussian_there_is_nothing_to_learn_and_training_does_no_harm():
    exact = wb.characters.ellipse(VE())
    model = GaussianPreconditioned(net(inputs=4), exact)
    trained = fit(model, points(), steps=60, batch=256, rate=1e-3, generator=generator())
    assert excess(model, exact, (0.1, 1.0)) == pytest.approx([1, 1], abs=1e-6)
    assert max(excess(trained, exact, (0.1, 1.0))) < 1.02


def test_classes_are_learned():
    x0 = torch.cat([points(256) * 0.1 + 2, points(256) * 0.1 - 2])
    labels = torch.arange(512) // 256
    model = fit(edm(classes=2), x0, labels=labels, drop=0.0, steps=100, batch=128, generator=generator())
    x = torch.zeros(1, 2)
    with torch.no_grad():
        assert model.given(0).data(x, 3.0).mean() > 1 and model.given(1).data(x, 3.0).mean() < -1


def test_the_seed_decides_and_the_model_given_stays_as_it_was():
    model = edm()
    before = [p.clone() for p in model.net.parameters()]
    one, two, other = (fit(model, points(), steps=5, generator=generator(seed)) for seed in (0, 0, 1))
    same = lambda a, b: all(torch.equal(p, q) for p, q in zip(a.net.parameters(), b.net.parameters(), strict=True))  # noqa: E731
    assert same(one, two) and not same(one, other)
    assert all(torch.equal(p, q) for p, q in zip(before, model.net.parameters(), strict=True)) and model.net.training
    assert not any(p.requires_grad for p in one.net.parameters())


def test_a_callback_sees_every_step_and_the_average(capsys):
    seen = []
    fit(edm(), points(), steps=4, batch=64, schedule=Constant(), generator=generator(), callback=lambda s, m: seen.append((s, m)))
    assert [step.number for step, _ in seen] == [1, 2, 3, 4]
    assert seen[0][0].losses.shape == seen[0][0].times.shape == (64,)
    assert isinstance(seen[0][1], wb.EDMDenoiser)
    fit(edm(), points(), steps=2, batch=64, generator=generator(), progress=True)
    assert "2/2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x0": torch.zeros(600, 2, dtype=torch.uint8)}, "finite floats"),
        ({"x0": torch.full((600, 2), float("nan"))}, "finite floats"),
        ({"x0": torch.zeros(10, 2)}, "take a smaller batch"),
        ({"labels": torch.zeros(600, dtype=torch.int64)}, "has no classes"),
        ({"steps": 0}, "steps=0"),
        ({"rate": -1.0}, "rate=-1.0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, words):
    asked = {"x0": torch.zeros(600, 2), "steps": 1, "generator": generator()} | change
    with pytest.raises(ValueError, match=words):
        fit(edm(), asked.pop("x0"), **asked)


def test_a_law_has_no_network():
    with pytest.raises(TypeError, match="holds no"):
        fit(wb.characters.ellipse(VE()), points(), steps=1, generator=generator())
