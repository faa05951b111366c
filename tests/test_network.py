"""Networks as denoisers: every kind of prediction, EDM's preconditioning, and the models of diffusers."""

import math

import numpy as np
import pytest
import torch
from helpers import SCHEDULES, Mixture, levels, linear_table, name, times

import workbench as wb
from workbench.denoiser import SOURCES
from workbench.schedules import VE, VP, Cosine, DiscreteVP, Rectified

every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)


class Recorder(torch.nn.Module):
    """Answers with a fixed multiple of x and remembers what it was asked."""

    def __init__(self, factor: float = 0.5) -> None:
        super().__init__()
        self.factor, self.seen = factor, []

    def forward(self, x, t, *condition):
        self.seen.append((x, t, *condition))
        return self.factor * x


@every
@pytest.mark.parametrize("predicts", SOURCES)
def test_a_network_of_each_kind_is_the_law_it_was_trained_on(schedule, predicts) -> None:
    exact = Mixture(schedule)

    def net(x, t):
        assert t.shape == (4,) and t.dtype == x.dtype
        return exact.answer(predicts, x, t)

    model = wb.NetworkDenoiser(net, schedule, predicts=predicts)
    t = times(schedule, 3)[1]
    alpha, sigma = levels(schedule, t)
    x = alpha + sigma * torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for face in ("data", "noise", "score", "velocity"):
        torch.testing.assert_close(getattr(model, face)(x, t), exact.answer(face, x, t), rtol=1e-9, atol=1e-10)
        per_sample = getattr(model, face)(x, torch.full((4,), t, dtype=torch.float64))
        torch.testing.assert_close(per_sample, exact.answer(face, x, t), rtol=1e-9, atol=1e-10)


def test_the_network_sees_its_own_clock_and_condition() -> None:
    net, schedule = Recorder(), DiscreteVP.linear()
    model = wb.NetworkDenoiser(net, schedule, time=schedule.level)
    x = torch.ones(3, 2)
    model.noise(x, 1.0)
    model.noise(x, 0.001)
    model.noise(x, torch.tensor([0.001, 0.5, 1.0], dtype=torch.float64))
    assert [call[1].tolist() for call in net.seen] == [[999] * 3, [0] * 3, pytest.approx([0, 499, 999])]
    assert all(len(call) == 2 and call[1].dtype == torch.float32 for call in net.seen)
    labels = torch.tensor([1, 2, 0])
    bound = model.given(labels)
    bound.noise(x, 0.5)
    assert net.seen[-1][2] is labels and model.condition is None and bound.schedule is schedule


def test_bad_networks_are_refused() -> None:
    x = torch.zeros(2, 3, 4, 4)
    with pytest.raises(TypeError, match="returned tuple; a network must return one tensor"):
        wb.NetworkDenoiser(lambda x, t: (x,), VP()).noise(x, 0.5)
    with pytest.raises(ValueError, match=r"shape \(2, 6, 4, 4\) for x of shape \(2, 3, 4, 4\)"):
        wb.NetworkDenoiser(lambda x, t: torch.cat([x, x], 1), VP()).noise(x, 0.5)
    with pytest.raises(ValueError, match="'epsilon' is not a prediction"):
        wb.NetworkDenoiser(Recorder(), VP(), predicts="epsilon")
    with pytest.raises(ValueError, match="returned shape"):
        wb.EDMDenoiser(lambda x, t: x[:, :1]).data(x, 0.5)
    for bad in (0.0, -1.0, math.inf):
        with pytest.raises(ValueError, match="sigma_data must be positive"):
            wb.EDMDenoiser(Recorder(), sigma_data=bad)


@every
@pytest.mark.parametrize("spread", [0.5, 1.7])
def test_edm_around_nothing_is_the_denoiser_of_a_gaussian(schedule, spread) -> None:
    model = wb.EDMDenoiser(Recorder(0.0), spread, schedule)
    exact = Mixture(schedule, ((1.0,), (0.0,), (spread,)))
    for t in times(schedule, 5):
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * levels(schedule, t)[1]
        for face in ("data", "noise", "score", "velocity"):
            torch.testing.assert_close(getattr(model, face)(x, t), exact.answer(face, x, t), rtol=1e-9, atol=1e-12)
            per_sample = getattr(model, face)(x, torch.full((4,), t, dtype=torch.float64))
            torch.testing.assert_close(per_sample, exact.answer(face, x, t), rtol=1e-9, atol=1e-12)
    assert torch.equal(model.data(x, 0.0), x)


@every
def test_edm_coefficients_as_published(schedule) -> None:
    """D(y; rho) = c_skip y + c_out F(c_in y; ln(rho) / 4) with y = x / alpha, from the table of the paper."""
    net, s = Recorder(0.3), 0.5
    model = wb.EDMDenoiser(net, s, schedule)
    for t in times(schedule, 5):
        alpha, sigma = levels(schedule, t)
        rho, x = sigma / alpha, torch.tensor([[0.4, -2.0]], dtype=torch.float64)
        y = x / alpha
        skip, out = s**2 / (rho**2 + s**2), rho * s / math.sqrt(rho**2 + s**2)
        into = 1 / math.sqrt(rho**2 + s**2)
        torch.testing.assert_close(model.data(x, t), skip * y + out * 0.3 * (into * y), rtol=1e-10, atol=1e-13)
        asked, clock = net.seen[-1]
        torch.testing.assert_close(asked, into * y, rtol=1e-10, atol=0)
        assert clock.tolist() == pytest.approx([math.log(rho) / 4], abs=1e-11)
        variance = into**2 * (s**2 + rho**2)  # of the network's input
        assert variance == pytest.approx(1)


@pytest.mark.parametrize("schedule", [Cosine(), Rectified()], ids=name)
def test_edm_at_no_signal_never_hands_infinity_to_the_network(schedule) -> None:
    net = Recorder(0.0)
    model, x = wb.EDMDenoiser(net, 0.5, schedule), torch.ones(3, 2, dtype=torch.float64)
    latest = math.log(1 / levels(schedule, schedule.t_first)[0] * levels(schedule, schedule.t_first)[1]) / 4
    for t in (1.0, torch.tensor([1.0, schedule.t_first, 1.0], dtype=torch.float64)):
        torch.testing.assert_close(model.data(x, t)[0], torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-15)
        assert net.seen[-1][1].tolist() == pytest.approx([latest] * 3)


def test_edm_condition() -> None:
    net = Recorder()
    model = wb.EDMDenoiser(net).given("a cat")
    model.data(torch.ones(2, 3), 1.0)
    assert net.seen[-1][2] == "a cat" and model.schedule == VE()


# diffusers


def tiny_unet(diffusers, **kwargs):
    torch.manual_seed(0)  # diffusers draws its weights from the global generator
    return diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        **kwargs,
    ).eval()


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_a_diffusers_model_drops_in(kind) -> None:
    diffusers = pytest.importorskip("diffusers")
    unet, scheduler = tiny_unet(diffusers), diffusers.DDPMScheduler(prediction_type=kind, clip_sample=False)
    model = wb.from_diffusers(unet, scheduler)
    table, x = linear_table(), torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for n in (0, 370, 999):
            out = unet(x, n).sample
            alpha, sigma = math.sqrt(table[n]), math.sqrt(1 - table[n])
            noise = {
                "epsilon": out,
                "sample": (x - alpha * out) / sigma,
                "v_prediction": alpha * out + sigma * x,
            }[kind]
            torch.testing.assert_close(model.noise(x, (n + 1) / 1000), noise, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(model.data(x, (n + 1) / 1000), (x - sigma * noise) / alpha, rtol=1e-3, atol=1e-3)
    assert model.schedule.alphas_cumprod == pytest.approx(table, rel=1e-4)
    assert model.predicts == {"epsilon": "noise", "sample": "data", "v_prediction": "v"}[kind]


def test_a_conditional_diffusers_model_takes_labels() -> None:
    diffusers = pytest.importorskip("diffusers")
    unet = tiny_unet(diffusers, num_class_embeds=3)
    labels, x = torch.tensor([0, 2]), torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    model = wb.from_diffusers(unet, diffusers.DDPMScheduler()).given(labels)
    with torch.no_grad():
        torch.testing.assert_close(model.noise(x, 0.501), unet(x, 500, class_labels=labels).sample, rtol=1e-5, atol=1e-6)


def test_a_flow_matching_diffusers_model() -> None:
    diffusers = pytest.importorskip("diffusers")
    unet, x = tiny_unet(diffusers), torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    model = wb.from_diffusers(unet, diffusers.FlowMatchEulerDiscreteScheduler())
    assert model.schedule == Rectified() and model.predicts == "velocity"
    with torch.no_grad():
        out = unet(x, torch.tensor([250.0, 250.0])).sample
        torch.testing.assert_close(model.velocity(x, 0.25), out, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(model.data(x, 0.25), x - 0.25 * out, rtol=1e-5, atol=1e-5)


def test_a_whole_pipeline_of_diffusers_draws_the_same_pictures() -> None:
    """Model, scheduler and sampling loop of diffusers on one side; from_diffusers and solve on the other; the same noise."""
    diffusers = pytest.importorskip("diffusers")
    unet, scheduler = tiny_unet(diffusers), diffusers.DDIMScheduler(clip_sample=False)
    pipeline = diffusers.DDIMPipeline(unet, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    seed = torch.Generator().manual_seed(4)
    theirs = pipeline(batch_size=2, generator=seed, eta=0.0, num_inference_steps=10, output_type="np").images
    noise = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(4))  # what the pipeline drew first
    grid = torch.tensor([*((n + 1) / 1000 for n in pipeline.scheduler.timesteps.tolist()), 0.0], dtype=torch.float64)
    with torch.no_grad():
        run = wb.solve(wb.from_diffusers(unet, diffusers.DDPMScheduler()), noise, grid, wb.solvers.DDIM())
    ours = (run.x / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert run.evaluations == 10 and ((ours > 0) & (ours < 1)).mean() > 0.01 and ours.std() > 0.05
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-4)


def test_schedulers_that_cannot_be_understood() -> None:
    class Odd:
        config = {"prediction_type": "flux"}
        alphas_cumprod = [0.9, 0.8, 0.7]

    with pytest.raises(ValueError, match="prediction_type 'flux' is not known; it is one of epsilon, sample, v_prediction"):
        wb.from_diffusers(Recorder(), Odd())
    with pytest.raises(TypeError, match=r"object has no alphas_cumprod.*by hand"):
        wb.from_diffusers(Recorder(), object())
