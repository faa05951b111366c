"""The loop against the same loop written out, and what it does when something is wrong."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tiny_training import batches, generator, images, labels, law, model, unet

import workbench as wb
from workbench.gaussian import GaussianPreconditioned
from workbench.nets import Denoising, LogNormal
from workbench.nets.training.averaging import Average
from workbench.nets.training.processes import Accelerated, Alone
from workbench.nets.training.rates import Constant, Linear
from workbench.nets.training.settings import Settings
from workbench.nets.training.trainer import NonFiniteLoss, Trainer

OBJECTIVE = Denoising(LogNormal(-0.7, 1.1))
SETTINGS = Settings(20, batch=8, schedule=Constant(warmup=7), clip=0.3, halflife=40)


def trainer(settings=SETTINGS, processes=None):
    return Trainer(model(), batches(), OBJECTIVE, settings, processes)


def test_twenty_steps_equal_the_loop_written_out_bit_for_bit():
    net, data, known = unet(), batches(), law()
    average = Average(net, 40, 0.1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0, foreach=True)
    losses = []
    for step in range(20):
        x0, classes, _, draws = data.at(step)
        loss = OBJECTIVE.losses(GaussianPreconditioned(net, known).given(classes), x0, draws)[0].mean()
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 7)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 0.3)
        optimizer.step()
        average.update(net, 8, 8 * (step + 1))
        losses.append(loss.item())
    ours = trainer()
    done = list(ours.run())
    assert [step.loss for step in done] == losses
    assert all(torch.equal(a, b) for a, b in zip(ours.net.parameters(), net.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(ours.average.net.parameters(), average.net.parameters(), strict=True))
    assert [step.number for step in done] == list(range(1, 21)) and done[3].rate == 1e-3 * (4 / 7)


def test_it_learns():
    ours = trainer(replace(SETTINGS, steps=100, rate=3e-3))

    def loss(denoiser):  # on the same draws before and after
        steps = [batches().at(step) for step in range(7)]
        with torch.no_grad():
            return float(sum(OBJECTIVE.losses(denoiser.given(classes), x0, draws)[0].mean() for x0, classes, _, draws in steps))

    before = loss(ours.averaged)
    list(ours.run())
    assert loss(ours.averaged) < 0.97 * before


def test_restored_it_goes_on_as_if_nothing_had_happened():
    whole, first, second = trainer(), trainer(), trainer()
    expected = [step.loss for step in whole.run()]
    assert [step.loss for step in first.run(until=9)] == expected[:9]
    second.restore(first.state())
    assert [step.loss for step in second.run()] == expected[9:]
    for a, b in ((whole.net, second.net), (whole.average.net, second.average.net)):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_norms_are_those_before_clipping():
    loose, tight = (trainer(replace(SETTINGS, clip=clip)).advance() for clip in (None, 1e-3))
    assert loose.norm == tight.norm > 1e-3
    assert loose.norm1 >= loose.norm


def test_one_of_two_draws_the_whole_batch_and_takes_its_half():
    class Second(Alone):
        def __init__(self):
            super().__init__(cpu=True)
            self.count, self.rank = 2, 1

    whole, half = trainer().advance(), trainer(processes=Second()).advance()
    torch.testing.assert_close(half.losses, whole.losses[4:])
    assert torch.equal(half.times, whole.times)
    third = Second()
    third.count = 3
    with pytest.raises(ValueError, match="batch=8 cannot be divided evenly among 3"):
        trainer(processes=third)


def test_processes_leave_together():
    """Else one may end the group while another still draws samples or writes files."""
    called, group = [], object.__new__(Accelerated)
    group.accelerator = SimpleNamespace(wait_for_everyone=lambda: called.append("wait"), end_training=lambda: called.append("end"))
    group.close()
    assert called == ["wait", "end"]


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_touched():
    data = batches()
    rows = data.rows(2).tolist()
    broken = Trainer(model(), data, Poisoned(rows[3]), SETTINGS)
    list(broken.run(until=2))
    before = [p.clone() for p in broken.net.parameters()]
    with pytest.raises(NonFiniteLoss, match=rf"step 3: the loss of 1 of 8 samples is not finite .* samples \[{rows[3]}\] at times"):
        broken.advance()
    assert broken.step == 2 and all(torch.equal(p, q) for p, q in zip(before, broken.net.parameters(), strict=True))


class Poisoned(Denoising):
    """A loss that breaks down at step 3 for one sample."""

    def __init__(self, row):
        super().__init__(LogNormal(-0.7, 1.1))
        object.__setattr__(self, "calls", [])

    def judge(self, model, x0, noise, t):
        losses = super().judge(model, x0, noise, t)
        self.calls.append(1)
        return losses * torch.where((torch.arange(len(losses)) == 3) & (len(self.calls) == 3), math.nan, 1.0)


def test_a_gradient_that_is_not_finite_stops_too():
    class Steep(Denoising):
        def judge(self, model, x0, noise, t):
            losses = super().judge(model, x0, noise, t)
            return losses + (0 * losses).sqrt()  # value 0, slope 0 x infinity

    with pytest.raises(NonFiniteLoss, match="the gradient is not finite"):
        Trainer(model(), batches(), Steep(), SETTINGS).advance()


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(TypeError, match="holds no"):
        Trainer(law(), batches(), OBJECTIVE, SETTINGS)
    with pytest.raises(TypeError, match="needs a Preconditioned model"):
        Trainer(wb.NetworkDenoiser(unet(), wb.schedules.VE()), batches(), OBJECTIVE, SETTINGS)
    with pytest.raises(ValueError, match="pays on CUDA devices only"):
        trainer(replace(SETTINGS, precision="bfloat16"))


def test_a_decaying_rate_reaches_the_optimizer():
    rates = [step.rate for step in trainer(replace(SETTINGS, steps=4, schedule=Linear())).run()]
    assert rates == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    trainer().advance()
    assert torch.equal(before, torch.get_rng_state())


def test_the_tiny_pictures_are_what_these_tests_take_them_for():
    assert images().shape == (60, 3, 8, 8) and labels().max() == 2 and generator(0).initial_seed() == 0
