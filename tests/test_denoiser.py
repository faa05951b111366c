"""The four faces against laws whose faces are written out one by one; the rules at both ends; guidance; other schedules."""

import math

import pytest
import torch
from helpers import MEAN, POINT, SCHEDULES, SHIFTED, SINGULAR_START, STANDARD, T1, Mixture, levels, log_density, name, times

import workbench as wb
from workbench.denoiser import SOURCES, as_time, check_predicts, conversion
from workbench.schedules import VE, VP, Cosine, DiscreteVP, Rectified

FACES = ("data", "noise", "score", "velocity")
every = pytest.mark.parametrize("schedule", SCHEDULES, ids=name)
every_source = pytest.mark.parametrize("source", SOURCES)


def states(schedule, t, law=T1, batch: int = 5) -> torch.Tensor:
    """Plausible states at time t, the same every time."""
    alpha, sigma = levels(schedule, t)
    generator = torch.Generator().manual_seed(3)
    x0, eps = torch.randn(2, batch, 3, generator=generator, dtype=torch.float64)
    return alpha * x0 + sigma * eps


@every
@every_source
def test_every_face_from_every_prediction(schedule, source) -> None:
    """On a point mass x_0 = 0.7 and on a mixture: relative to the size of the terms that the conversion subtracts."""
    for law in (POINT, T1):
        exact, model = Mixture(schedule, law), Mixture(schedule, law, source)
        for t in times(schedule, 5):
            x = states(schedule, t)
            for face in FACES:
                got, wanted = getattr(model, face)(x, t), exact.answer(face, x, t)
                c_x, c_out = conversion(schedule, source, face, t) if source != face else (0.0, 1.0)
                size = abs(c_x) * x.abs() + abs(c_out) * exact.answer(source, x, t).abs()
                assert bool(((got - wanted).abs() <= 2e-13 * size + 1e-15).all()), (face, t)


@every
def test_a_known_point_and_a_known_noise(schedule) -> None:
    """x = alpha x_0 + sigma eps: data is x_0, noise is eps, score is -eps / sigma, velocity is dx/dt."""
    x0, eps = torch.tensor([[0.3, -1.1]], dtype=torch.float64), torch.tensor([[-0.4, 0.9]], dtype=torch.float64)
    t = times(schedule, 3)[1]
    alpha, sigma = levels(schedule, t)
    h = 1e-5 * t
    (a1, s1), (a0, s0) = levels(schedule, t + h), levels(schedule, t - h)
    answers = {
        "data": x0,
        "noise": eps,
        "score": -eps / sigma,
        "velocity": ((a1 - a0) * x0 + (s1 - s0) * eps) / (2 * h),
        "v": alpha * eps - sigma * x0,
    }
    for source in SOURCES:
        model = wb.NetworkDenoiser(lambda x, times, out=answers[source]: out.clone(), schedule, predicts=source)
        for face in FACES:
            got = getattr(model, face)(alpha * x0 + sigma * eps, t)
            torch.testing.assert_close(got, answers[face], rtol=1e-6, atol=1e-7)


@every
def test_score_is_the_gradient_of_the_log_density(schedule) -> None:
    for t in times(schedule, 4):
        x = states(schedule, t).requires_grad_()
        (gradient,) = torch.autograd.grad(log_density(T1, *levels(schedule, t), x).sum(), x)
        got = Mixture(schedule, T1, "noise").score(x.detach(), t)
        torch.testing.assert_close(got, gradient, rtol=1e-9, atol=1e-9)


@every
@every_source
def test_a_time_per_sample(schedule, source) -> None:
    model = Mixture(schedule, T1, source)
    t = torch.tensor(times(schedule, 5), dtype=torch.float64)
    x = states(schedule, 0.5).unsqueeze(-1).expand(5, 3, 2).clone()
    for face in FACES:
        together = getattr(model, face)(x, t)
        alone = torch.cat([getattr(model, face)(x[i : i + 1], float(t[i])) for i in range(5)])
        torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-12)
        assert torch.equal(getattr(model, face)(x, t[2]), getattr(model, face)(x, float(t[2])))


@every
def test_an_integer_time_is_that_time(schedule) -> None:
    x = states(schedule, 0.5)
    for top in (1,) if schedule not in SINGULAR_START else ():
        assert torch.equal(Mixture(schedule).noise(x, top), Mixture(schedule).noise(x, 1.0))
    assert torch.equal(Mixture(schedule).data(x, 0), x)


@every
@every_source
def test_at_the_data_only_data_is_defined(schedule, source) -> None:
    model, x = Mixture(schedule, T1, source), states(schedule, 0.5)
    torch.testing.assert_close(model.data(x, 0.0), x, rtol=0, atol=0)
    if schedule.d_sigma(0.0) < math.inf:
        slope = {"VE": 0.0, "Rectified": -1.0}[name(schedule)]
        if source != "velocity":
            torch.testing.assert_close(model.velocity(x, 0.0), slope * x, rtol=0, atol=0)
    elif source != "velocity":
        with pytest.raises(ValueError, match="infinite"):
            model.velocity(x, 0.0)
    for face in {"data": ("noise", "score"), "noise": ("score",), "v": ("score",), "velocity": ("score",)}.get(source, ()):
        with pytest.raises(ValueError, match=f"{face} cannot be computed from {source} at t = 0"):
            getattr(model, face)(x, 0.0)


@every
@pytest.mark.parametrize("source", ["data", "noise", "v"])
def test_a_batch_with_some_clean_samples(schedule, source) -> None:
    """The rule at sigma = 0 holds sample by sample; the model is never asked there."""

    def net(x, t):
        assert bool((t > 0).all())
        return Mixture(schedule, T1, source).predict(x, t.to(torch.float64))

    model = wb.NetworkDenoiser(net, schedule, predicts=source)
    x, t = states(schedule, 0.5), torch.tensor([0.5, 0.0, 0.3, 0.0, 0.2], dtype=torch.float64)
    for face in ("data", "velocity") if schedule.d_sigma(0.0) < math.inf else ("data",):
        alone = torch.cat([getattr(model, face)(x[i : i + 1], float(t[i])) for i in range(5)])
        torch.testing.assert_close(getattr(model, face)(x, t), alone, rtol=1e-10, atol=1e-12)
    if source == "data":
        with pytest.raises(ValueError, match="divides by zero"):
            model.noise(x, t)


@pytest.mark.parametrize("schedule", SINGULAR_START, ids=name)
def test_where_there_is_no_signal(schedule) -> None:
    """At alpha = 0 the data prediction is the mean of the law, and noise = x / sigma says nothing about the data."""
    x, mean = states(schedule, 1.0), MEAN
    for source in ("data", "velocity", "v"):
        model = Mixture(schedule, SHIFTED, source)
        torch.testing.assert_close(model.data(x, 1.0), torch.full_like(x, mean), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(model.noise(x, 1.0), x, rtol=1e-12, atol=1e-12)
        rate = schedule.d_alpha(1.0) * mean + schedule.d_sigma(1.0) * x
        torch.testing.assert_close(model.velocity(x, 1.0), rate, rtol=1e-12, atol=1e-12)
    for source, other in (("noise", "score"), ("score", "noise")):
        model = Mixture(schedule, T1, source)
        torch.testing.assert_close(getattr(model, other)(x, 1.0), x if other == "noise" else -x, rtol=1e-12, atol=1e-12)
        for face in ("data", "velocity"):
            with pytest.raises(ValueError, match=f"{face} cannot be computed from {source} at t = 1"):
                getattr(model, face)(x, 1.0)
            with pytest.raises(ValueError, match=r"start at schedule\.t_first"):
                getattr(model, face)(x, torch.tensor([0.5, 0.5, 1.0, 0.5, 0.5]))


@every_source
def test_the_native_face_is_not_round_tripped(source) -> None:
    """In float32 at VP t = 1e-4 the way noise -> data -> noise loses three digits; a native face is handed over bit for bit."""
    out = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    model = wb.NetworkDenoiser(lambda x, t: out, VP(), predicts=source)
    if source != "v":
        assert getattr(model, source)(torch.ones(4, 3), 1e-4) is out
        assert getattr(model, source)(torch.ones(4, 3), torch.full((4,), 1e-4)) is out
    if source == "noise":
        sigma = levels(VP(), 1e-4)[1]
        torch.testing.assert_close(model.score(torch.ones(4, 3), 1e-4), -out / sigma, rtol=2e-7, atol=0)


@every
def test_faces_keep_dtype_and_gradients(schedule) -> None:
    t = times(schedule, 3)[1]
    x = states(schedule, t).float().requires_grad_()
    for face in FACES:
        out = getattr(Mixture(schedule, T1, "noise"), face)(x, t)
        assert out.dtype == torch.float32 and out.requires_grad
        out = getattr(Mixture(schedule, T1, "noise"), face)(x, torch.full((5,), t))
        assert out.dtype == torch.float32 and out.requires_grad


def test_a_wrong_time_or_face_is_refused() -> None:
    x = torch.zeros(4, 2)
    with pytest.raises(ValueError, match=r"t has shape \(3,\)"):
        as_time(torch.zeros(3), len(x))
    with pytest.raises(ValueError, match="outside"):
        Mixture(VP()).data(x, 1.5)
    with pytest.raises(ValueError, match="'eps' is not a prediction; it is one of data, noise, score, velocity, v"):
        check_predicts("eps")


# Guidance


@every
def test_guidance_is_linear_in_every_face(schedule) -> None:
    t, pair = times(schedule, 3)[1], (T1, ((1.0,), (-0.4,), (0.9,)))
    x = states(schedule, t)
    for sources in (("data", "data"), ("noise", "noise"), ("noise", "velocity"), ("v", "v"), ("score", "data")):
        yes, no = (Mixture(schedule, law, source) for law, source in zip(pair, sources, strict=True))
        for scale in (0.0, 1.0, 2.5, 8.0):
            model = wb.Guided(yes, no, scale)
            for face in FACES:
                up, low = yes.answer(face, x, t), no.answer(face, x, t)
                torch.testing.assert_close(getattr(model, face)(x, t), low + scale * (up - low), rtol=1e-9, atol=1e-9)


def test_guidance_keeps_a_shared_native_face_and_costs_both() -> None:
    yes, no = Mixture(VP(), T1, "noise"), Mixture(VP(), STANDARD, "noise")
    model, x = wb.Guided(yes, no, 1.0), states(VP(), 0.5)
    assert model.predicts == "noise" and model.cost == 2 and model.schedule == VP()
    assert torch.equal(model.noise(x, 0.5), yes.noise(x, 0.5))
    assert wb.Guided(model, no, 3.0).cost == 3
    assert wb.Guided(yes, Mixture(VP(), T1, "data"), 1.0).predicts == "data"
    assert torch.equal(model.data(x, 0.0), x)
    with pytest.raises(ValueError, match=r"use model.on\(schedule\)"):
        wb.Guided(yes, Mixture(VE()), 2.0)


# One schedule's model on another


@pytest.mark.parametrize("there", SCHEDULES, ids=name)
@pytest.mark.parametrize("here", SCHEDULES, ids=name)
@pytest.mark.parametrize("source", ["data", "noise", "velocity"])
def test_asked_on_another_schedule(there, here, source) -> None:
    """E[x_0 | x_t] depends on x / alpha and sigma / alpha only, so the rescheduled model is the law on the new schedule."""
    model, wanted = Mixture(there, T1, source).on(here), Mixture(here, T1)
    assert isinstance(model, wb.Rescheduled if here != there else Mixture) and model.schedule == here
    inside = [t for t in times(here, 9) if abs(math.log(levels(here, t)[0] / levels(here, t)[1])) < 4.9]
    assert len(inside) >= 3
    for t in inside:
        x = states(here, t)
        for face in FACES:
            size = 1 + wanted.answer(face, x, t).abs().max().item()
            got = getattr(model, face)(x, t)
            torch.testing.assert_close(got / size, wanted.answer(face, x, t) / size, rtol=0, atol=2e-11)
    t = torch.tensor((inside * 5)[:5], dtype=torch.float64)
    alone = torch.cat([model.noise(x[i : i + 1], float(t[i])) for i in range(5)])
    torch.testing.assert_close(model.noise(x, t), alone, rtol=1e-9, atol=1e-11)
    assert torch.equal(model.data(x, 0.0), x)


def test_both_ends_of_another_schedule() -> None:
    x = states(VP(), 0.5)
    for there, here in ((Cosine(), Rectified()), (Rectified(), Cosine())):
        model = Mixture(there, SHIFTED).on(here)
        torch.testing.assert_close(model.data(x, 1.0), torch.full_like(x, MEAN), rtol=0, atol=1e-12)
        torch.testing.assert_close(model.noise(x, 1.0), x, rtol=1e-12, atol=0)
    model = Mixture(VP(), T1, "noise").on(Rectified())
    assert torch.equal(model.velocity(x, 0.0), -x)
    t = torch.tensor([0.0, 0.5, 0.0, 0.25, 0.75], dtype=torch.float64)
    alone = torch.cat([model.data(x[i : i + 1], float(t[i])) for i in range(5)])
    torch.testing.assert_close(model.data(x, t), alone, rtol=1e-12, atol=1e-13)
    with pytest.raises(ValueError, match="noise cannot be computed"):
        Mixture(VP(), T1).on(VE()).noise(x, 0.0)


def test_another_schedule_asks_the_faces_a_law_overrides() -> None:
    class Knows(Mixture):
        def noise(self, x, t):
            return torch.full_like(x, 7.0)

    x = states(VP(), 0.5)
    assert bool((Knows(VP(), T1).on(VE()).noise(x, 1.0) == 7).all())


def test_out_of_reach() -> None:
    x = states(VP(), 0.5)
    with pytest.raises(ValueError, match="below everything that VP"):
        Mixture(VP()).on(Rectified()).data(x, 1.0)
    with pytest.raises(ValueError, match="start the grid later"):
        Mixture(DiscreteVP.linear()).on(VE()).data(x, 1000.0)
    with pytest.raises(ValueError, match="start the grid later"):
        Mixture(VP()).on(VE()).data(x, torch.tensor([1.0, 1000.0, 1.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="start the grid later"):
        Mixture(VE()).on(Cosine()).noise(x, 1.0)


@pytest.mark.parametrize("there", SCHEDULES, ids=name)
@pytest.mark.parametrize("here", SCHEDULES, ids=name)
def test_sampling_on_another_schedule_is_direct_sampling(there, here) -> None:
    grid = [here.inverse_log_snr(value) for value in torch.linspace(-4.5, 4.0, 7).tolist()]
    x = states(here, grid[0])
    run = wb.solve(Mixture(there, T1, "noise").on(here), x, [*grid, 0.0], wb.solvers.DDIM())
    direct = wb.solve(Mixture(here, T1), x, [*grid, 0.0], wb.solvers.DDIM())
    torch.testing.assert_close(run.x, direct.x, rtol=1e-10, atol=1e-10)
