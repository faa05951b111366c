"""Agreement with torchao's optimizers, which have blocks of 128 and no rank-one normalization; left out without torchao, which is no dependency.

Run with torchao 0.18.0 and torch 2.13.0 (CPU), its compiled steps carried out eagerly: see the numbers in the tests.
"""

import pytest
import torch

from workbench.quantizers import AdamW, Codebook, number_formats
from workbench.quantizers.optimizers import formats

pytest.importorskip("torchao")
OURS = {
    "AdamW4bit": {"second": Codebook(values=number_formats.linear_without_zero(), block=(128,))},
    "AdamW8bit": formats.eight_bit(),
}


@pytest.fixture(autouse=True)
def eager():
    with torch.compiler.set_stance("force_eager"):
        yield


def pair(name, rng):
    import torchao.optim as ao

    p = torch.nn.Parameter(torch.randn(64, 128, generator=rng))
    other = torch.nn.Parameter(p.detach().clone())
    return (p, AdamW([p], **OURS[name])), (other, getattr(ao, name)([other]))


@pytest.mark.parametrize("name", OURS)
def test_the_first_step_is_equal_and_so_are_the_moments(name, rng):
    (p, own), (q, theirs) = pair(name, rng)
    p.grad = torch.randn(64, 128, generator=rng)
    q.grad = p.grad.clone()
    own.step(), theirs.step()
    torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)
    for key in ("exp_avg", "exp_avg_sq"):
        a, b = own.state[p][key].dequantize(), theirs.state[q][key].dequantize()
        off = (a - b).abs() > 1e-6 * b.abs().max()
        assert off.float().mean() < 1e-3, "ties, and middles that float32 rounds differently"


@pytest.mark.parametrize("name", OURS)
def test_a_hundred_steps_stay_together(name, rng):
    (p, own), (q, theirs) = pair(name, rng)
    start = p.detach().clone()
    for _ in range(100):
        p.grad = torch.randn(64, 128, generator=rng) + 0.1
        q.grad = p.grad.clone()
        own.step(), theirs.step()
    assert float((p - q).detach().norm() / (p.detach() - start).norm()) < 0.02


@pytest.mark.parametrize("name", OURS)
def test_bytes(name, rng):
    (p, own), (q, theirs) = pair(name, rng)
    p.grad = q.grad = torch.ones(64, 128)
    own.step(), theirs.step()
    kept = [theirs.state[q][key] for key in ("exp_avg", "exp_avg_sq")]
    assert own.nbytes == sum(s.codes.nbytes + s.scale.nbytes for s in kept)
