"""Errors of answers: exact where the model is linear."""

import pytest
import torch

import workbench as wb

Q, RF = wb.quantizers, wb.schedules.Rectified()


class Times(torch.nn.Module):
    """x -> W x, whatever the time."""

    def __init__(self, weight):
        super().__init__()
        self.map = torch.nn.Linear(len(weight), len(weight), bias=False)
        self.map.weight = torch.nn.Parameter(weight.clone(), requires_grad=False)

    def forward(self, x, times):
        return self.map(x)


def linear(weight):
    """A flow whose velocity is W x."""
    return wb.NetworkDenoiser(Times(weight), RF, "velocity")


@pytest.fixture
def full(rng):
    return linear(torch.randn(4, 4, generator=rng, dtype=torch.float64) / 2)


def test_the_error_of_a_linear_network_is_its_rounded_weights(full, rng):
    small = Q.quantized(full, weights=Q.Affine(bits=4))
    xs = torch.randn(3, 500, 4, generator=rng, dtype=torch.float64) + 1
    found = Q.score_error(small, full, xs, [0.9, 0.5, 0.1])
    lost = small.net.map.weight.double() - full.net.map.weight
    for k in range(3):
        wrong = xs[k] @ lost.T
        assert float(found.error[k]) == pytest.approx(float(wrong.square().mean().sqrt()), rel=1e-6)
        assert float(found.bias[k]) == pytest.approx(float(wrong.mean(0).square().mean().sqrt()), rel=1e-6)
        assert float(found.size[k]) == pytest.approx(float((xs[k] @ full.net.map.weight.T).square().mean().sqrt()), rel=1e-6)
    assert torch.allclose(found.relative, found.error / found.size) and found.times.tolist() == [0.9, 0.5, 0.1]


def test_the_score_has_the_error_of_the_velocity_in_its_own_units(full, rng):
    small = Q.quantized(full, weights=Q.Affine(bits=4))
    xs = torch.randn(1, 50, 4, generator=rng, dtype=torch.float64)
    errors = {face: float(Q.score_error(small, full, xs, [0.4], face).error) for face in ("velocity", "noise", "score", "data")}
    # on straight lines noise = x + (1 - t) v, data = x - t v, score = -noise / t
    assert errors["noise"] == pytest.approx(0.6 * errors["velocity"]) and errors["data"] == pytest.approx(0.4 * errors["velocity"])
    assert errors["score"] == pytest.approx(errors["noise"] / 0.4)


def test_layers_one_at_a_time(rng):
    net = wb.nets.MLP(2, 8, 2, generator=rng)
    torch.nn.init.normal_(net.last.weight, generator=rng)
    full = wb.NetworkDenoiser(net.requires_grad_(False), RF, "velocity")
    xs = torch.randn(2, 40, 2, generator=rng)
    rounded = Q.Affine(bits=5, block=(1, -1))
    found = Q.error_of_layers(full, rounded, xs, [0.7, 0.2])
    assert list(found) == ["first", "hidden.0", "last"]
    only = Q.score_error(Q.quantized(full, weights={"last": rounded}), full, xs, [0.7, 0.2])
    assert torch.equal(found["last"].error, only.error)
    assert list(Q.error_of_layers(full, rounded, xs, [0.7, 0.2], layers=["last"])) == ["last"]


def test_bad_input(full, rng):
    x = torch.randn(2, 3, 4, generator=rng, dtype=torch.float64)
    with pytest.raises(ValueError, match="one of velocity|one of data"):
        Q.score_error(full, full, x, [0.5, 0.2], "speed")
    with pytest.raises(ValueError, match="2 states and 1 times"):
        Q.score_error(full, full, x, [0.5])
    with pytest.raises(ValueError, match=r"\.on\(schedule\)"):
        Q.score_error(full.on(wb.schedules.VP()), full, x, [0.5, 0.2])


def test_a_correction_takes_back_what_is_along_the_answer_and_the_mean(full, rng):
    class Off(wb.Denoiser):
        """1.25 right + 0.5 + a small rest."""

        schedule, predicts = RF, "velocity"

        def predict(self, x, t):
            return 1.25 * full.velocity(x, t) + 0.5 + 0.01 * torch.sin(9 * x)

    xs = torch.randn(2, 4000, 4, generator=rng, dtype=torch.float64)
    mended = Q.corrected(Off(), full, xs, [0.8, 0.3], face="velocity")
    assert torch.allclose(mended.along, torch.full((2,), 0.25, dtype=torch.float64), atol=2e-3)
    assert torch.allclose(mended.bias, torch.full((2, 4), 0.5, dtype=torch.float64), atol=2e-3)
    new = torch.randn(500, 4, generator=rng, dtype=torch.float64)
    left = (mended.velocity(new, 0.75) - full.velocity(new, 0.75)).abs().max()
    assert float(left) < 0.02 < float((Off().velocity(new, 0.75) - full.velocity(new, 0.75)).abs().max())
    assert torch.equal(mended.velocity(new, torch.full((500,), 0.75)), mended.velocity(new, 0.75))
    assert wb.cite(mended).startswith("@")
    with pytest.raises(ValueError, match="two samples"):
        Q.corrected(Off(), full, xs[:, :1], [0.8, 0.3])
