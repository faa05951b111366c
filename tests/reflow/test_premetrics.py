"""How velocities are judged: zero where right, the limits of the pseudo-Huber loss, the length of its gradient, and features."""

import math

import pytest
import torch

import workbench as wb
from workbench.reflow import Perceptual, PerceptualHuber, PseudoHuber, Squared, Weighted


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def case(batch=6, shape=(3,), scale=1.0, dtype=torch.float64, seed=0):
    """velocity, target, x, t."""
    draws = generator(seed)
    velocity, target, x = (torch.randn(batch, *shape, generator=draws).to(dtype) for _ in range(3))
    t = torch.linspace(0.1, 0.9, batch, dtype=torch.float64)
    return target + scale * (velocity - target), target, x, t


def angles(x):
    """Features of points: sine and cosine of twice the coordinates."""
    return torch.cat([torch.sin(2 * x), torch.cos(2 * x)], 1)


def gap(a, b):
    """A distance of pictures with the shape that lpips returns."""
    return (a - b).abs().flatten(1).mean(1)[:, None, None, None]


EVERY = (
    Squared(),
    PseudoHuber(),
    PseudoHuber(0.03),
    Weighted(Squared(), lambda t: 1 / t),
    Perceptual(angles),
    Perceptual(gap, pairwise=True),
    PerceptualHuber(angles),
    PerceptualHuber(angles, divide_by_t=True),
)


@pytest.mark.parametrize("premetric", EVERY, ids=lambda one: type(one).__name__)
def test_zero_where_right_and_positive_elsewhere(premetric):
    velocity, target, x, t = case()
    assert premetric(target, target, x, t).abs().max() == 0
    losses = premetric(velocity, target, x, t)
    assert losses.shape == (6,) and losses.min() > 0
    for i in range(6):  # no sample looks at another
        assert torch.allclose(premetric(velocity[i : i + 1], target[i : i + 1], x[i : i + 1], t[i : i + 1])[0], losses[i])


def test_squared_is_the_mean_over_coordinates():
    velocity, target, x, t = case(shape=(3, 4, 4))
    assert torch.allclose(Squared()(velocity, target, x, t), (velocity - target).square().mean((1, 2, 3)))


@pytest.mark.parametrize("c", [0.03, 1.7])
@pytest.mark.parametrize("shape", [(2,), (3, 8, 8)], ids=str)
def test_pseudo_huber_is_squared_near_and_linear_far(c, shape):
    d = math.prod(shape)
    for scale, expected in ((1e-5 * c, lambda r: r**2 / (2 * c * d)), (1e6 * c, lambda r: r / d)):
        velocity, target, x, t = case(shape=shape, scale=scale)
        size = (velocity - target).flatten(1).norm(dim=1)
        assert torch.allclose(PseudoHuber(c)(velocity, target, x, t), expected(size), rtol=1e-5)
    velocity, target, x, t = case(shape=shape)
    size = (velocity - target).flatten(1).norm(dim=1)
    assert torch.allclose(PseudoHuber(c)(velocity, target, x, t), ((size**2 + c * c).sqrt() - c) / d)


def test_near_zero_nothing_cancels_in_single_precision():
    velocity, target, x, t = (part.float() for part in case(scale=1e-4))
    t = t.double()
    exact = PseudoHuber(1.0)(velocity.double(), target.double(), x.double(), t)
    assert torch.allclose(PseudoHuber(1.0)(velocity, target, x, t).double(), exact, rtol=1e-3)


def test_its_constant_grows_with_the_dimensions():
    velocity, target, x, t = case(shape=(3, 32, 32))
    assert torch.equal(PseudoHuber()(velocity, target, x, t), PseudoHuber(0.00054 * 3072)(velocity, target, x, t))
    assert pytest.approx(1.66, abs=5e-3) == 0.00054 * 3072 and 0.00054 * math.sqrt(3072) == pytest.approx(0.030, abs=5e-4)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_its_gradient_is_never_longer_than_one_over_d(scale):
    velocity, target, x, t = case(shape=(5,), scale=scale)
    velocity.requires_grad_()
    (gradient,) = torch.autograd.grad(PseudoHuber(0.4)(velocity, target, x, t).sum(), velocity)
    size = (velocity - target).detach()
    lengths, norms = gradient.norm(dim=1), size.norm(dim=1)
    assert torch.allclose(gradient, size / (5 * (norms**2 + 0.16).sqrt())[:, None])
    assert lengths.max() < 1 / 5 and (scale < 1e3 or lengths.min() > 0.999 / 5)


def test_weights_multiply_and_may_be_floats():
    velocity, target, x, t = case()
    plain = Squared()(velocity, target, x, t)
    assert torch.allclose(Weighted(Squared(), lambda t: 1 / t)(velocity, target, x, t), plain / t)
    single = Weighted(Squared(), lambda t: 3.0)(velocity.float(), target.float(), x.float(), t)
    assert single.dtype == torch.float32 and torch.allclose(single.double(), 3 * plain, rtol=1e-5)


def test_with_the_identity_as_features_it_is_squared_times_t_squared():
    velocity, target, x, t = case(shape=(3, 4, 4))
    assert torch.allclose(Perceptual(lambda y: y)(velocity, target, x, t), t**2 * Squared()(velocity, target, x, t))


def test_features_are_those_of_the_guess_and_of_the_sample():
    x0, z, t = torch.randn(4, 3, generator=generator(1)), torch.randn(4, 3, generator=generator(2)), torch.full((4,), 0.3).double()
    x, guess = 0.7 * x0 + 0.3 * z, torch.randn(4, 3, generator=generator(3))
    velocity = (x - guess) / 0.3
    expected = (angles(guess) - angles(x0)).square().mean(1)
    assert torch.allclose(Perceptual(angles)(velocity, z - x0, x, t), expected, atol=1e-5)
    pairwise = Perceptual(gap, pairwise=True)(velocity, z - x0, x, t)
    assert torch.allclose(pairwise, (guess - x0).abs().mean(1), atol=1e-5)


@pytest.mark.parametrize("divide_by_t", [False, True])
def test_perceptual_huber_is_the_sum_it_says(divide_by_t):
    velocity, target, x, t = case()
    far = Perceptual(angles)(velocity, target, x, t)
    expected = (1 - t) * PseudoHuber(0.5)(velocity, target, x, t) + (far / t if divide_by_t else far)
    assert torch.allclose(PerceptualHuber(angles, divide_by_t, c=0.5)(velocity, target, x, t), expected)
    pairwise = PerceptualHuber(gap, pairwise=True, c=0.5)(velocity, target, x, t)
    assert torch.allclose(pairwise, (1 - t) * PseudoHuber(0.5)(velocity, target, x, t) + t * (velocity - target).abs().mean(1))


def test_nothing_is_divided_by_nothing():
    velocity, target, x, t = case(dtype=torch.float32)
    for small in (0.0, 2.0**-53):
        assert torch.isfinite(PerceptualHuber(angles, divide_by_t=True)(velocity, target, x, torch.full_like(t, small))).all()


def test_gradients_reach_the_velocity_and_not_the_target():
    velocity, target, x, t = case()
    velocity, target = velocity.requires_grad_(), target.requires_grad_()
    for premetric in (Perceptual(angles), Perceptual(gap, pairwise=True)):
        loss = premetric(velocity, target, x, t).sum()
        moved, still = torch.autograd.grad(loss, (velocity, target), allow_unused=True)
        assert moved.abs().min() > 0 and still is None


def test_the_features_of_our_classifier_serve():
    classifier = wb.artifacts.load("cifar10-classifier")
    velocity, target, x, t = case(batch=2, shape=(3, 32, 32), dtype=torch.float32)
    guess, truth = x - t.float().view(-1, 1, 1, 1) * velocity, x - t.float().view(-1, 1, 1, 1) * target
    with torch.no_grad():
        expected = (classifier.features(guess) - classifier.features(truth)).square().mean(1)
        assert torch.allclose(Perceptual(classifier.features)(velocity, target, x, t), expected)


@pytest.mark.parametrize("c", [0.0, -1.0, math.inf, math.nan])
def test_bad_constants(c):
    with pytest.raises(ValueError, match="it needs to be positive and finite, or None"):
        PseudoHuber(c)
    with pytest.raises(ValueError, match="it needs to be positive and finite, or None"):
        PerceptualHuber(angles, c=c)


def test_bad_features():
    velocity, target, x, t = case()
    for make in (Perceptual, PerceptualHuber):
        with pytest.raises(TypeError, match="features"):
            make("vgg")
    for wrong, got in ((lambda y: y.sum(), r"\(\)"), (lambda y: [y], "list"), (lambda y: y[:2], r"\(2, 3\)")):
        with pytest.raises(ValueError, match=rf"features returned {got} for 6 samples"):
            Perceptual(wrong)(velocity, target, x, t)
