"""A network around the affine velocity of pairs: its target has unit size, and a turned denoiser is a flow."""

import pytest
import torch
from tiny_training import VE, awake, generator, law, unet

import workbench as wb
from workbench.gaussian import GaussianCoupling, GaussianPreconditioned
from workbench.reflow import FlowPreconditioned
from workbench.reflow.experiment import turned

RF = wb.schedules.Rectified()


def coupling(correlation=0.8):
    known = law()
    return GaussianCoupling(known.mean, known.covariance, correlation)


@pytest.mark.parametrize("t", [0.02, 0.5, 0.98])
def test_a_turned_denoiser_is_the_same_flow_where_noise_is_independent(t):
    """velocity = (x - data) / t, the exact change of schedule, is what the affine base and the negated network add up to."""
    known, net = law(), awake(unet())
    denoiser = GaussianPreconditioned(net, known).on(RF).given(1)
    x = torch.randn(4, 3, 8, 8, generator=generator(3))
    expected = denoiser.velocity(x, t)
    flow = FlowPreconditioned(turned(awake(unet())), GaussianCoupling(known.mean, known.covariance, 0.0)).given(1)
    assert torch.allclose(flow.velocity(x, t), expected, rtol=1e-4, atol=1e-4 * float(expected.detach().abs().max()))
    plain = FlowPreconditioned(awake(unet()), GaussianCoupling(known.mean, known.covariance, 0.0)).given(1)
    assert not torch.allclose(plain.velocity(x, t), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("t", [0.0, 0.1, 0.5, 1.0])
def test_the_loss_of_no_network_is_one_in_its_units(t):
    known = coupling()
    model = FlowPreconditioned(unet(), known)
    x0, z = known.sample(4000, generator=generator(4))
    with torch.no_grad():
        error = model.velocity((1 - t) * x0 + t * z, t) - (z - x0)
    loss = error.square().flatten(1).mean(1) * model.weight(t)
    assert float(loss.mean()) == pytest.approx(1, abs=4 * float(loss.std()) / len(loss) ** 0.5)
    times = torch.tensor([t, 0.3], dtype=torch.float64)
    assert model.weight(times)[0] == pytest.approx(model.weight(t)) and model.scale(t) ** 2 == pytest.approx(1 / model.weight(t))


def test_the_network_is_shown_unit_size_and_the_guess():
    seen = []

    def net(shown, times):
        seen.append((shown, times))
        return torch.zeros_like(shown[:, :3])

    known = coupling()
    x0, z = known.sample(500, generator=generator(5))
    x = 0.3 * x0 + 0.7 * z
    FlowPreconditioned(net, known).velocity(x, 0.7)
    shown, times = seen[0]
    assert torch.allclose(shown[:, 3:], 2 * known.data(x, 0.7), atol=1e-5)
    assert float(shown[:, :3].square().mean()) == pytest.approx(1, abs=0.5)
    assert torch.allclose(times, torch.full((500,), torch.logit(torch.tensor(0.7)) / 4))


def test_what_is_refused():
    with pytest.raises(TypeError, match="GaussianCoupling"):
        FlowPreconditioned(unet(), law())
    with pytest.raises(ValueError, match="nothing for a network to learn"):
        FlowPreconditioned(unet(), coupling(1.0))
    assert VE is law().schedule
