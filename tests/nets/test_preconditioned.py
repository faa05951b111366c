"""A network around an exact Gaussian: EDM's formula where the law is isotropic, the law itself where the network is silent."""

import pytest
import torch
from helpers import SCHEDULES, SINGULAR_START, name, times
from tiny_training import awake, generator, images, labels, law, unet
from torch import nn

import workbench as wb
from workbench.gaussian import GaussianDenoiser, GaussianPreconditioned
from workbench.nets import MLP
from workbench.schedules import VE, VP


class Nothing(nn.Module):
    def forward(self, x, times, labels=None):
        return torch.zeros_like(x)


def network(dim=3):
    net = MLP(dim, width=16, depth=2, generator=generator()).double()
    return awake(net)


def points(dim=3, count=5):
    return torch.randn(count, dim, generator=generator(1), dtype=torch.float64)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_with_an_isotropic_law_of_mean_zero_it_is_edm(schedule):
    law = GaussianDenoiser(torch.zeros(3, dtype=torch.float64), 0.49 * torch.eye(3, dtype=torch.float64), schedule)
    net = network()
    ours, edm = GaussianPreconditioned(net, law, shows_base=False), wb.EDMDenoiser(net, 0.7, schedule)
    for t in times(schedule):
        torch.testing.assert_close(ours.data(points(), t), edm.data(points(), t), rtol=0, atol=1e-9)
        assert abs(float(ours.scale(t)) - float(edm.scale(t))) < 1e-9


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_a_silent_network_leaves_the_law_even_where_there_is_no_signal(schedule):
    law = GaussianDenoiser(torch.tensor([0.1, 0.2, 0.3]).double(), torch.diag(torch.tensor([1.0, 0.1, 0.01]).double()), schedule)
    model = GaussianPreconditioned(Nothing(), law, shows_base=False)
    ends = [1.0] if schedule in SINGULAR_START else []
    for t in [*times(schedule), *ends]:
        for face in ("data", "velocity"):
            if t == 1.0 and face == "velocity" and not schedule.regular_ends:
                continue
            torch.testing.assert_close(getattr(model, face)(points(), t), getattr(law, face)(points(), t), rtol=1e-9, atol=1e-9)


def test_what_the_network_is_shown_has_unit_variance():
    law = GaussianDenoiser(torch.zeros(3, dtype=torch.float64), torch.diag(torch.tensor([1.0, 0.5, 0.3]).double()), VE())
    model = GaussianPreconditioned(Nothing(), law)
    x0 = law.sample(20_000, 0.0, generator=generator()).double()
    for sigma in (0.05, 0.5, 5.0):
        x = x0 + sigma * torch.randn(x0.shape, generator=generator(1), dtype=torch.float64)
        shown = model.inputs(x, sigma, model.base(x, sigma))
        assert shown.shape == (20_000, 6)
        assert abs(float(shown[:, :3].square().mean()) - 1) < 0.03
        torch.testing.assert_close(shown[:, 3:], 2 * law.data(x, sigma))


def test_on_another_schedule_it_is_the_same_model():
    model = GaussianPreconditioned(awake(unet()), law())
    x0 = images(3) / 127.5 - 1
    noise = torch.randn(x0.shape, generator=generator(2))
    other = model.on(VP())
    assert type(other) is GaussianPreconditioned and other.net is model.net and model.on(VE()) is model
    for sigma in (0.1, 1.0, 4.0):
        t = VP().inverse_log_snr(-torch.tensor(sigma).double().log().item())
        alpha = VP().alpha(t)
        torch.testing.assert_close(
            other.data(alpha * (x0 + sigma * noise), t), model.data(x0 + sigma * noise, sigma), rtol=0, atol=2e-4
        )


def test_one_sample_does_not_see_another():
    model = GaussianPreconditioned(awake(unet()).double(), law())
    x, t = (images(4) / 127.5 - 1).double(), torch.tensor([0.1, 0.5, 1.0, 5.0], dtype=torch.float64)
    whole = model.given(labels(4)).data(x, t)
    for k in range(4):
        one = model.given(labels(4)[k : k + 1]).data(x[k : k + 1], float(t[k]))
        torch.testing.assert_close(one, whole[k : k + 1], rtol=0, atol=1e-9)


def test_a_class_matters_and_none_is_a_class_too():
    model = GaussianPreconditioned(awake(unet()), law())
    x = images(2) / 127.5 - 1
    outs = [model.data(x, 0.5), *(model.given(k).data(x, 0.5) for k in range(3))]
    assert all((a - b).abs().max() > 1e-6 for i, a in enumerate(outs) for b in outs[:i])
    assert torch.equal(model.given(3).data(x, 0.5), outs[0])


def test_laws_without_variance_or_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="nothing for a network to learn"):
        GaussianPreconditioned(Nothing(), GaussianDenoiser(torch.zeros(2), torch.zeros(2, 2), VE()))
    with pytest.raises(TypeError):
        GaussianPreconditioned(Nothing(), wb.characters.ring(VE()))
