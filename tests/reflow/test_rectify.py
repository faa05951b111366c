"""Rectifying a flow: its ends are simulated, the next round trains on the lines between, and the paths come out straighter."""

from dataclasses import replace

import pytest
import torch

import workbench as wb
from workbench.gaussian import GaussianCoupling
from workbench.nets.training.trainer import Trainer
from workbench.reflow import pairs_of, rectify, simulate, straightness, transport_cost
from workbench.schedules import VE, Rectified

LINES = Rectified()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(count=64):
    return torch.randn(count, 2, generator=generator(), dtype=torch.float64)


def ellipse(r=0.0):
    law = wb.characters.ellipse(LINES)
    return GaussianCoupling(law.mean, law.covariance, r)


class Around(torch.nn.Module):
    """The exact velocity of the ellipse, plus a network that has learned nothing yet."""

    def __init__(self):
        super().__init__()
        self.rest, self.law = wb.nets.MLP(2, width=32, depth=2, generator=generator()), ellipse()

    def forward(self, x, times):
        return self.rest(x, times) + self.law.velocity(x, times).to(x.dtype)


def flow():
    net = Around()
    with torch.no_grad():
        net.rest.last.weight.zero_()
        net.rest.last.bias.zero_()
    return wb.NetworkDenoiser(net, LINES, "velocity")


def test_the_ends_are_those_of_the_flow():
    law, z = ellipse(), noise()
    exact = law.flow(z, 1.0, 0.0)
    assert torch.allclose(simulate(law, z, solver=wb.solvers.RK4(variable="t")), exact, atol=1e-5)
    assert (simulate(law, z) - exact).abs().max() < 0.02
    assert torch.equal(simulate(law, z, batch=7, steps=3), simulate(law, z, steps=3))
    assert (simulate(law, z, steps=64) - exact).abs().max() < 0.3 * (simulate(law, z, steps=32) - exact).abs().max()


def test_pairs_are_noise_and_where_it_ends():
    law = ellipse()
    pairs = pairs_of(law, 500, (2,), generator=generator(), steps=64)
    rows = torch.arange(500)
    z = pairs.noise(pairs.x0, rows, None, generator())
    assert (pairs.x0 - law.flow(z, 1.0, 0.0)).abs().max() < 0.01
    assert transport_cost(pairs.x0, z) == pytest.approx(law.rectified().transport_cost(), rel=0.15)
    again = pairs_of(law, 500, (2,), generator=generator(), steps=64)
    assert torch.equal(again.x0, pairs.x0)


def test_one_round_straightens():
    start = flow()
    assert straightness(start, noise().float()) == pytest.approx(ellipse().straightness(), rel=0.3)
    after = rectify(start, generator=generator(), pairs=4096, steps=250, batch=256)
    z = noise(500).float()
    assert straightness(after, z) < 0.1 * straightness(start, z)
    one = wb.solve(after, z, [1.0, 0.0], wb.solvers.Euler(variable="t")).x
    assert (one - ellipse().flow(z, 1.0, 0.0)).norm(dim=1).mean() < 0.1
    assert not any(bool(p.any()) for p in start.net.rest.last.parameters())  # what was given is left as it is


def test_rounds_follow_one_another(monkeypatch):
    """Each starts from the weights of the one before, and trains on the ends of its flow."""
    seen = []
    known = Trainer.__init__

    def watched(self, model, batches, *rest, **more):
        known(self, model, batches, *rest, **more)
        seen.append(([p.clone() for p in self.net.parameters()], batches.images))

    monkeypatch.setattr(Trainer, "__init__", watched)
    settings = {"pairs": 64, "steps": 2, "batch": 32, "solver_steps": 4}
    one = rectify(flow(), generator=(draws := generator()), **settings)
    two = rectify(one, generator=draws, **settings)
    both = rectify(flow(), generator=generator(), rounds=2, **settings)
    assert all(torch.equal(p, q) for p, q in zip(two.net.parameters(), both.net.parameters(), strict=True))
    assert all(torch.equal(p, q) for p, q in zip(seen[3][0], one.net.parameters(), strict=True))
    assert torch.equal(seen[1][1], seen[3][1]) and not torch.equal(seen[2][1], seen[3][1])


def test_settings_reach_the_training():
    run = lambda **more: rectify(flow(), generator=generator(), pairs=64, steps=2, batch=32, solver_steps=4, **more)  # noqa: E731
    plain = list(run().net.parameters())
    for more in (
        {"times": wb.reflow.UShaped()},
        {"premetric": wb.reflow.PseudoHuber(0.1)},
        {"rate": 1e-3},
        {"solver": wb.solvers.Euler(variable="t")},
    ):
        assert not all(torch.equal(p, q) for p, q in zip(plain, run(**more).net.parameters(), strict=True))


def test_what_cannot_be_rectified():
    with pytest.raises(ValueError, match="rounds=0; at least one"):
        rectify(flow(), generator=generator(), rounds=0)
    with pytest.raises(TypeError, match="holds no"):
        rectify(ellipse(), generator=generator())
    with pytest.raises(ValueError, match=r"needs a flow on Rectified\(\), got one on VE; use flow\.on"):
        simulate(wb.characters.ellipse(VE()), noise())
    with pytest.raises(ValueError, match="number=0; at least one pair"):
        pairs_of(ellipse(), 0, (2,), generator=generator())
    with pytest.raises(ValueError, match="step"):
        simulate(ellipse(), noise(), steps=0)
    with pytest.raises(ValueError, match="not finite"):
        pairs_of(replace(flow(), net=lambda x, times: x * float("nan")), 4, (2,), generator=generator())
