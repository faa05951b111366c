"""What an independent audit broke once: precision of combined models, counts at singular ends, input that is refused."""

import math

import pytest
import torch

import workbench as wb

GAUSSIAN = torch.tensor([0.3, -0.1], dtype=torch.float64), torch.tensor([0.5, 0.2], dtype=torch.float64)


def law(schedule):
    return wb.gaussian.GaussianDenoiser(*GAUSSIAN, schedule)


@pytest.mark.parametrize("face", ["noise", "score"])
def test_combined_models_keep_their_native_precision_in_float32(face):
    vp, t = wb.schedules.VP(), 1e-4
    x = law(vp).sample(200, t, generator=torch.Generator().manual_seed(0))
    exact = getattr(law(vp), face)(x.double(), t)
    guided = wb.Guided(law(vp), law(vp), 1.0)
    elsewhere = wb.Rescheduled(law(wb.schedules.VE()), vp)
    for model in (guided, elsewhere):
        error = (getattr(model, face)(x, t).double() - exact).abs().max() / exact.abs().max()
        assert error < 2e-6, f"{type(model).__name__}.{face} lost digits on a detour: {error:.1e}"


def test_guided_binds_its_condition_and_exact_laws_have_none():
    def net(x, times, shift=0.0):
        return x * 0 + shift

    vp = wb.schedules.VP()
    conditional = wb.NetworkDenoiser(net, vp, predicts="noise")
    pair = wb.Guided(conditional, law(vp), 1.0).given(2.0)
    assert torch.equal(pair.noise(torch.ones(3, 2), 0.5), torch.full((3, 2), 2.0))
    with pytest.raises(TypeError, match="takes no condition"):
        law(vp).given(2.0)
    v = wb.NetworkDenoiser(net, vp, predicts="v")
    assert wb.Guided(v.given(1.0), v.given(0.0), 3.0).predict(torch.ones(3, 2), 0.5).unique() == 3.0


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_guidance_needs_a_finite_scale(scale):
    with pytest.raises(ValueError, match="finite number"):
        wb.Guided(law(wb.schedules.VP()), law(wb.schedules.VP()), scale)


@pytest.mark.parametrize("solver", [s for s in wb.solvers.ALL if not s.stochastic], ids=str)
@pytest.mark.parametrize("name", ["VP", "Cosine", "Rectified"])
@pytest.mark.parametrize("stop", [0.0, 1e-2])
def test_evaluations_are_promised_at_both_ends(solver, name, stop):
    schedule = getattr(wb.schedules, name)()
    for start in (schedule.t_first, 1.0):
        for n in (1, 2, 5):
            grid = wb.grids.uniform(schedule, n, start=start, stop=stop)
            x = torch.ones(2, 2, dtype=torch.float64)
            assert wb.solve(law(schedule), x, grid, solver).evaluations == solver.evaluations_on(schedule, grid)


def test_the_reference_asks_a_network_in_its_own_precision():
    layer = torch.eye(2)
    net = wb.NetworkDenoiser(lambda x, t: torch.nn.functional.linear(x, layer), wb.schedules.VP(), predicts="noise")
    run = wb.solvers.reference(net, torch.ones(3, 2), 1.0, 0.5, rtol=1e-5, atol=1e-6)
    assert run.x.dtype == torch.float64
    assert run.x.isfinite().all()


def test_half_precision_does_not_round_the_networks_clock():
    seen = []
    schedule = wb.schedules.DiscreteVP.linear()
    net = wb.NetworkDenoiser(lambda x, t: seen.append(t) or x, schedule, time=schedule.level)
    net.noise(torch.ones(2, 2, dtype=torch.bfloat16), 502 / 1000)
    assert seen[0].dtype == torch.float32
    assert seen[0].tolist() == pytest.approx([501.0, 501.0])


def test_ends_of_the_inverse():
    assert wb.schedules.VP().inverse_log_snr(-math.inf) == math.inf
    assert wb.schedules.VE().inverse_log_snr(-800.0) == math.inf
    assert wb.schedules.Rectified().inverse_log_snr(-800.0) == 1.0
    assert wb.schedules.Cosine().inverse_log_snr(-800.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wb.schedules.VP(beta_max=math.inf), "both finite"),
        (lambda: wb.schedules.VE(t_first=math.inf), "finite"),
        (lambda: wb.solve(None, torch.ones(1, 2), [1.0, 0.5], wb.solvers.DDIM()), "model must be a Denoiser"),
        (lambda: wb.solve(law(wb.schedules.VP()), torch.ones(1, 2), "abc", wb.solvers.DDIM()), "1-D tensor"),
        (lambda: wb.grids.uniform("vp", 3), "needs a schedule"),
    ],
)
def test_unusable_input_is_refused_with_a_remedy(call, message):
    # the type checker of the tests speaks first where an annotation already says it
    with pytest.raises(Exception, match=f"{message}|type"):
        call()


def test_an_empty_batch_of_generators_draws_nothing():
    assert wb.schedules.VP().prior((0, 2), 1.0, generator=[]).shape == (0, 2)


def test_a_table_without_signal_at_its_end_is_explained():
    class Scheduler:
        alphas_cumprod = torch.tensor([0.9, 0.5, 0.0])
        config = {"num_train_timesteps": 3}

    with pytest.raises(ValueError, match="zero terminal SNR"):
        wb.from_diffusers(object(), Scheduler())
