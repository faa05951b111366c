"""Thresholding against diffusers, against torch.quantile, and its properties on models whose faces are known."""

import math

import pytest
import torch
from helpers import SCHEDULES, T1, Mixture, levels, name
from hypothesis import given, settings
from hypothesis import strategies as st
from schedulers import drive, scheduler

import workbench as wb
from workbench.schedules import VE, VP, Rectified
from workbench.thresholded import quantile


class Scaled(wb.Denoiser):
    """Predicts data = gain * x, in the dtype of x."""

    def __init__(self, schedule, gain: float = 3.0) -> None:
        self.schedule, self.gain = schedule, gain

    def predict(self, x, t):
        return self.gain * x


def predictions(batch: int = 4, size: int = 16, spread: float = 1.5, seed: int = 0) -> torch.Tensor:
    """Per-sample spreads that straddle the floor."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(0.1, spread, batch, dtype=torch.float64).view(-1, 1, 1, 1)
    return scale * torch.randn(batch, 3, size, size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("q", [0.9, 0.995])
@pytest.mark.parametrize("most", [1.0, 1.7, 100.0])
def test_against_diffusers(q, most) -> None:
    data = predictions()
    theirs = scheduler("DPMSolverMultistep", thresholding=True, dynamic_thresholding_ratio=q, sample_max_value=most)
    ours = wb.Thresholded(Scaled(VP()), quantile=q, ceiling=most).threshold(data)
    torch.testing.assert_close(ours, theirs._threshold_sample(data.clone()), rtol=1e-12, atol=1e-12)
    assert most == 1.0 or not torch.equal(ours, data.clamp(-1, 1))


def test_the_default_of_diffusers_is_plain_clipping() -> None:
    """Its sample_max_value is 1.0, which caps s: nothing dynamic is left."""
    data = predictions()
    theirs = scheduler("DPMSolverMultistep", thresholding=True)
    assert theirs.config.sample_max_value == 1.0
    assert torch.equal(theirs._threshold_sample(data.clone()), data.clamp(-1, 1))
    assert torch.equal(wb.Thresholded(Scaled(VP()), quantile=None).threshold(data), data.clamp(-1, 1))
    assert torch.equal(wb.Thresholded(Scaled(VP()), ceiling=1).threshold(data), data.clamp(-1, 1))


def test_a_whole_run_against_diffusers() -> None:
    schedule = VP()
    model = wb.Thresholded(Scaled(schedule, 2.0), quantile=0.9)
    theirs = scheduler(
        "DPMSolverMultistep",
        thresholding=True,
        dynamic_thresholding_ratio=0.9,
        sample_max_value=50.0,
        lower_order_final=False,
        prediction_type="sample",
        final_sigmas_type="sigma_min",
    )
    grid, x = wb.grids.log_snr(schedule, 8), predictions().float()
    ours = wb.solve(model, x, grid, wb.solvers.DPMSolverPP2M())
    torch.testing.assert_close(ours.x, drive(theirs, model.model, x, grid, ask="data"), rtol=0, atol=3e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("q", [0.0, 0.3, 0.5, 0.995, 1.0])
def test_quantile_is_that_of_torch(size, q) -> None:
    values = torch.randn(3, size, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
    torch.testing.assert_close(quantile(values, q), values.quantile(q, dim=1), rtol=1e-12, atol=1e-14)


def test_sizes_that_torch_quantile_refuses() -> None:
    data = torch.zeros(1, 2**24 + 2)
    data[0, :200_000] = 4.0
    with pytest.raises(RuntimeError, match="too large"):
        data.quantile(0.995)
    assert wb.Thresholded(Scaled(VP())).threshold(data).unique().tolist() == [0, 1]


@settings(max_examples=40, deadline=None)
@given(
    q=st.one_of(st.none(), st.floats(0, 1)),
    floor=st.floats(0.1, 3),
    room=st.one_of(st.none(), st.floats(1, 5)),
    spread=st.floats(0.01, 50),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]),
)
def test_properties(q, floor, room, spread, dtype) -> None:
    ceiling = None if room is None or q is None else floor * room
    data = predictions(size=4, spread=spread).to(dtype)
    model = wb.Thresholded(Scaled(VP()), quantile=q, floor=floor, ceiling=ceiling)
    out = model.threshold(data)
    bound = torch.tensor(floor, dtype=torch.float64).to(dtype)
    assert out.dtype == dtype and bool((out.abs() <= bound).all())
    assert torch.equal(out.sign(), data.sign())
    assert torch.equal(model.threshold(-data), -out)
    inside = data.double().abs().amax(dim=(1, 2, 3)) <= floor * (1 - 1e-2)
    assert torch.equal(out[inside], data[inside]), "a prediction within the range was changed"
    alone = torch.cat([model.threshold(one[None]) for one in data])
    assert torch.equal(alone, out), "a sample depends on its batch"
    order = data.double().flatten(1).argsort(dim=1)
    assert bool((out.double().flatten(1).gather(1, order).diff(dim=1) >= 0).all()), "the order of pixels was changed"


def test_by_hand() -> None:
    data = torch.tensor([[-4.0, 2.0, 1.0, 0.5, 0.0]])
    half = wb.Thresholded(Scaled(VP()), quantile=0.75)  # s = 2
    assert half.threshold(data).tolist() == [[-1.0, 1.0, 0.5, 0.25, 0.0]]
    assert wb.Thresholded(Scaled(VP()), quantile=0.75, floor=3.0).threshold(data).tolist() == [[-3.0, 2.0, 1.0, 0.5, 0.0]]
    assert wb.Thresholded(Scaled(VP()), quantile=0.75, ceiling=1.6).threshold(data)[0, 2].item() == pytest.approx(1 / 1.6)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
def test_faces_follow_the_thresholded_data(schedule) -> None:
    model = wb.Thresholded(Mixture(schedule, T1, "noise"), quantile=0.6, floor=0.4)
    alpha, sigma = levels(schedule, 0.3)
    x = 1.3 * torch.randn(5, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    data = model.data(x, 0.3)
    torch.testing.assert_close(data, model.threshold(model.model.data(x, 0.3)), rtol=0, atol=0)
    assert (data - model.model.data(x, 0.3)).abs().max() > 0.1
    noise = (x - alpha * data) / sigma
    torch.testing.assert_close(model.noise(x, 0.3), noise, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(model.score(x, 0.3), -noise / sigma, rtol=1e-11, atol=1e-11)
    speed = schedule.d_alpha(0.3) * data + schedule.d_sigma(0.3) * noise
    torch.testing.assert_close(model.velocity(x, 0.3), speed, rtol=1e-10, atol=1e-10)
    assert torch.equal(model.data(x, 0.0), x)


def test_a_time_per_sample() -> None:
    model = wb.Thresholded(Mixture(Rectified(), T1), quantile=0.6, floor=0.4)
    x = 1.3 * torch.randn(3, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    t = torch.tensor([0.0, 0.2, 0.7], dtype=torch.float64)
    for face in ("data", "velocity"):
        alone = torch.cat([getattr(model, face)(x[i : i + 1], float(t[i])) for i in range(3)])
        torch.testing.assert_close(getattr(model, face)(x, t), alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("q", [None, 0.9])
def test_gradients(q) -> None:
    data = predictions(batch=3, size=2, spread=3.0).requires_grad_()
    model = wb.Thresholded(Scaled(VP()), quantile=q)
    assert torch.autograd.gradcheck(model.threshold, data)
    (gradient,) = torch.autograd.grad(model.threshold(data).square().sum(), data)
    assert gradient.abs().sum() > 0


def test_every_run_ends_within_the_range() -> None:
    model = wb.Thresholded(Scaled(VP(), 5.0))
    x = predictions()
    for solver in (wb.solvers.DDIM(), wb.solvers.DPMSolverPP2M(), wb.solvers.Heun()):
        assert wb.solve(model, x, wb.grids.log_snr(VP(), 6, stop=0.0), solver).x.abs().max() <= 1
    assert wb.solve(model.model, x, wb.grids.log_snr(VP(), 6, stop=0.0), wb.solvers.DDIM()).x.abs().max() > 1


def test_wrapping_keeps_cost_condition_schedule_and_papers() -> None:
    net = wb.NetworkDenoiser(lambda x, times, shift=0.0: 0 * x + shift, VP(), predicts="data")
    pair = wb.Thresholded(wb.Guided(net, net, 2.0))
    assert pair.cost == 2 and pair.schedule == VP() and pair.predicts == "data"
    assert pair.given(0.3).data(torch.ones(1, 2), 0.5).tolist() == [[pytest.approx(0.6)] * 2]
    assert pair.given(9.0).data(torch.ones(1, 2), 0.5).tolist() == [[1.0, 1.0]]
    moved = wb.Thresholded(Mixture(VE(), T1), quantile=0.5, floor=0.2).on(Rectified())
    assert moved.schedule == Rectified() and (moved.quantile, moved.floor) == (0.5, 0.2)
    assert moved.data(torch.full((1, 3), 2.0, dtype=torch.float64), 0.5).abs().max() <= 0.2
    text = wb.cite(pair)
    assert "saharia2022imagen" in text and "ho2022cfg" in text
    assert wb.solve(pair, torch.ones(1, 2), [0.9, 0.5], wb.solvers.DDIM()).network_calls == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantile": 1.2}, r"quantile must be in \[0, 1\]"),
        ({"quantile": math.nan}, r"quantile must be in \[0, 1\]"),
        ({"floor": 0.0}, "floor must be positive"),
        ({"floor": math.inf}, "floor must be positive"),
        ({"ceiling": 0.5}, "at least floor"),
        ({"ceiling": math.nan}, "at least floor"),
        ({"quantile": None, "ceiling": 2.0}, "needs a quantile"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        wb.Thresholded(Scaled(VP()), **settings)
