"""The comparison of the rectified flow with its teacher, on pictures of 8x8 pixels whose laws are known."""

import pytest
import torch
from tiny_training import law, unet

import workbench as wb
from benchmarks import reflow_cifar10 as bench
from benchmarks.judging import Judge
from benchmarks.kept import Kept
from workbench.gaussian import GaussianCoupling, GaussianPreconditioned
from workbench.metrics import FeatureStatistics
from workbench.reflow import FlowPreconditioned, simulate_pairs


class Looker(torch.nn.Module):
    """Eight features, and three classes, of any picture."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(8, 3)

    def features(self, x):
        return x.flatten(1)[:, ::24]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    known = law()
    net = GaussianPreconditioned(unet(), known)  # its network answers 0: an exact Gaussian denoiser
    teacher = lambda noise, labels: known.flow(80.0 * noise, 80.0, 0.0)  # noqa: E731
    about = {"jump": 5.0, "guidance": 2.0, "steps": 8}
    pairs = simulate_pairs(teacher, tmp_path_factory.mktemp("pairs"), 60, shape=(3, 8, 8), classes=3, block=60, about=about)
    flow = FlowPreconditioned(unet(), GaussianCoupling(known.mean, known.covariance, 0.999999))
    looker = Looker().requires_grad_(False)
    judge = Judge(looker, FeatureStatistics.of(looker.features(known.sample(500, generator=torch.Generator().manual_seed(0)))))
    return pairs, flow, net, judge


def test_rows_say_what_the_laws_say(parts, tmp_path):
    pairs, flow, net, judge = parts
    drawn = bench.ways(flow, net, pairs.about, (1, 2))
    found = bench.rows(pairs, drawn, judge, Kept(tmp_path), 60, batch=25)
    by = {(row["way"], row["calls"]): row for row in found}
    assert set(by) == {
        *((name, k) for name in ("flow", "start", "denoiser after a jump") for k in (1, 2)),
        ("affine", 0), ("teacher", 2), ("teacher", 16),
    }  # fmt: skip
    one, two = by["flow", 1]["error"], by["flow", 2]["error"]  # exact and straight, so both as far as the teacher is from exact
    assert one < 0.12 and two == pytest.approx(one, rel=1e-2)
    assert by["affine", 0]["error"] == pytest.approx(by["flow", 1]["error"], rel=1e-3)  # the network adds nothing
    assert by["start", 1]["error"] > 0.8  # one step of a first round ends on the mean
    assert by["denoiser after a jump", 2]["error"] < by["denoiser after a jump", 1]["error"] < by["start", 1]["error"]
    assert by["teacher", 16]["error"] == 0 < by["teacher", 2]["error"] and 0 <= by["flow", 1]["accuracy"] <= 1


def test_the_noise_is_new_to_the_flow(parts, tmp_path):
    pairs, judge = parts[0], parts[3]
    seen = []

    def draw(noise, labels):
        seen.append((noise, labels))
        return noise / len(seen)

    bench.rows(pairs, {("one", 1): draw, ("teacher", 16): draw}, judge, Kept(tmp_path), 40, batch=40)
    known = pairs.noise(torch.arange(60)).flatten(1)
    assert float(torch.cdist(seen[0][0].flatten(1), known).min()) > 1
    assert torch.equal(seen[0][0][0], wb.reflow.pairs.noise_of((3, 8, 8), 0, 60)) and seen[0][1].tolist()[:4] == [0, 1, 2, 0]


def test_one_call_after_a_jump_is_the_data_prediction(parts):
    pairs, _, net, _ = parts
    noise = pairs.noise(torch.arange(3))
    x = wb.gaussian.teleport(net.law, 80.0 * noise, 80.0, 5.0)
    assert torch.allclose(bench.jumped(net, 1, 5.0, 1.0)(noise, None), net.data(x, 5.0), atol=1e-5)
