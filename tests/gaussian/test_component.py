"""A batch whose samples have classes of their own: each is answered by its own Gaussian."""

import pytest
import torch
from gaussian_helpers import close, interior_times, states, z_score

import workbench as wb
from workbench.denoiser import FACES
from workbench.gaussian import ComponentDenoiser, GaussianDenoiser, MixtureDenoiser

WEIGHTS = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
MEANS = torch.tensor([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]], dtype=torch.float64)
MATRICES = torch.tensor([[[0.3, 0.1], [0.1, 0.2]], [[0.5, 0.0], [0.0, 0.05]], [[0.1, -0.05], [-0.05, 0.4]]]).double()
LABELS = [2, 0, 0, 1, 2]


@pytest.fixture
def mixture(schedule):
    return MixtureDenoiser(WEIGHTS, MEANS, MATRICES, schedule)


def gaussians(schedule):
    return [GaussianDenoiser(mean, matrix, schedule) for mean, matrix in zip(MEANS, MATRICES, strict=True)]


def test_one_label_is_a_gaussian(mixture, schedule, rng):
    x = states(mixture, 0.3, 4, rng)
    for k, law in enumerate(gaussians(schedule)):
        for label in (k, torch.tensor(k)):
            one = mixture.given(label)
            assert isinstance(one, GaussianDenoiser)
            close(one.data(x, 0.3), law.data(x, 0.3), 1e-14)


@pytest.mark.parametrize("labels", [LABELS, torch.tensor(LABELS)], ids=["list", "tensor"])
def test_each_sample_has_its_own_component(mixture, schedule, rng, labels):
    model, laws = mixture.given(labels), gaussians(schedule)
    times = [0.0, *interior_times(schedule)]
    for t in times:
        x = states(mixture, t, 5, rng)
        alone = [(laws[k], x[i : i + 1]) for i, k in enumerate(LABELS)]
        for face in FACES:
            close(getattr(model, face)(x, t), torch.cat([getattr(law, face)(one, t) for law, one in alone]), 1e-12)
        close(model.log_prob(x, t), torch.cat([law.log_prob(one, t) for law, one in alone]), 1e-12)
        close(model.flow(x, t, 0.4), torch.cat([law.flow(one, t, 0.4) for law, one in alone]), 1e-12)
    batched = torch.tensor([*times, 0.3], dtype=torch.float64)
    for face in FACES:
        own = [getattr(laws[k], face)(x[i : i + 1], float(batched[i])) for i, k in enumerate(LABELS)]
        close(getattr(model, face)(x, batched), torch.cat(own), 1e-12)


def test_the_mixture_is_the_average_of_its_components(mixture, schedule, rng):
    """data(x) = sum_k P(k | x) data_k(x): the definition of the unconditional model."""
    t = interior_times(schedule)[1]
    x = states(mixture, t, 4, rng)
    shares = mixture.responsibilities(x, t)
    for face in FACES:
        average = sum(shares[:, k : k + 1] * getattr(mixture.given(k), face)(x, t) for k in range(3))
        close(getattr(mixture, face)(x, t), average, 1e-11)


def test_draws(mixture, rng):
    labels = [0, 1, 2] * 4000
    draws = mixture.given(labels).sample(12000, generator=rng, dtype=torch.float64).view(4000, 3, 2)
    for k in range(3):
        centered = draws[:, k] - MEANS[k]
        assert z_score(draws[:, k], MEANS[k]).abs().max() < 4.5
        assert z_score(centered[:, :, None] * centered[:, None], MATRICES[k]).abs().max() < 4.5
    seeds = lambda: [torch.Generator().manual_seed(i) for i in range(3)]  # noqa: E731
    together = mixture.given([1, 2, 1]).sample(3, 0.2, generator=seeds())
    alone = [mixture.given(k).sample(1, 0.2, generator=[g]) for k, g in zip((1, 2, 1), seeds(), strict=True)]
    close(together, torch.cat(alone), 1e-6)


def test_guidance_binds_labels(mixture, schedule, rng):
    t = interior_times(schedule)[1]
    x = states(mixture, t, 5, rng)
    guided = wb.Guided(mixture, mixture, 3.0).given(LABELS)
    low, up = mixture.data(x, t), mixture.given(LABELS).data(x, t)
    close(guided.data(x, t), low + 3 * (up - low), 1e-12)
    assert mixture.given(LABELS).on(wb.schedules.VE()).schedule == wb.schedules.VE()


@pytest.mark.parametrize("labels", [[], [0, 3], [-1]])
def test_labels_that_are_no_components_are_refused(mixture, labels):
    with pytest.raises(ValueError, match="0 to 2, one for each sample"):
        ComponentDenoiser(mixture, labels)


def test_other_mistakes_are_refused(mixture, rng):
    with pytest.raises(ValueError, match="numbered 0 to 2"):
        mixture.given(3)
    with pytest.raises(ValueError, match="2 labels, one for each sample, but x has 3"):
        mixture.given([0, 1]).data(torch.zeros(3, 2), 0.5)
    with pytest.raises(ValueError, match="3 samples were asked for"):
        mixture.given([0, 1]).sample(3, generator=rng)
