"""AdamW with few bits: in 32 bits it is that of torch, and in few it keeps what must not be lost."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.quantizers import E4M3, AdamW, Affine, Codebook, Doubled, Factored, RankOne, number_formats
from workbench.quantizers.optimizers import Packed, formats

FULL = {"first": None, "second": None}
EVEN = number_formats.linear_without_zero()
SECONDS = {
    "rank one": formats.SECOND,
    "blocks": Codebook(values=EVEN, block=(128,)),
    "dynamic": Codebook(values=number_formats.dynamic_without_zero(), block=(128,)),
    "factored": Factored(),
    "eight bits": formats.eight_bit()["second"],
    "power": RankOne(values=number_formats.linear_without_zero(4, 2.0)),
}
seconds = pytest.mark.parametrize("second", SECONDS.values(), ids=SECONDS.keys())


def weight(rng, *shape, dtype=torch.float32):
    return torch.nn.Parameter(torch.randn(shape, generator=rng, dtype=dtype))


def run(optimizer, parameters, steps, rng, scale=1.0):
    """Steps with gradients from ``rng``, the same for all that are given the same one."""
    for _ in range(steps):
        for p in parameters:
            p.grad = scale * torch.randn(p.shape, generator=rng, dtype=p.dtype)
        optimizer.step()


@given(
    lr=st.floats(1e-6, 0.5),
    betas=st.tuples(st.floats(0, 0.99), st.floats(0, 0.9999)),
    eps=st.floats(1e-12, 1e-2),
    decay=st.sampled_from([0.0, 1e-2, 0.3]),
    maximize=st.booleans(),
    wide=st.booleans(),
    scale=st.floats(1e-8, 1e4),
    seed=st.integers(0, 1000),
)
def test_in_32_bits_it_is_that_of_torch_to_the_last_bit(lr, betas, eps, decay, maximize, wide, scale, seed):
    start = torch.Generator().manual_seed(seed)
    shapes, dtype = [(9, 7), (5,), ()], torch.float64 if wide else torch.float32
    own = [weight(start, *shape, dtype=dtype) for shape in shapes]
    other = [torch.nn.Parameter(p.detach().clone()) for p in own]
    how = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": decay, "maximize": maximize}
    run(AdamW(own, **how, **FULL), own, 12, torch.Generator().manual_seed(seed), scale)
    run(torch.optim.AdamW(other, **how, foreach=False), other, 12, torch.Generator().manual_seed(seed), scale)
    assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))


def test_small_parameters_are_kept_in_32_bits(rng):
    own = [weight(rng, 64, 63), weight(rng, 100)]
    other = [torch.nn.Parameter(p.detach().clone()) for p in own]
    run(AdamW(own), own, 20, torch.Generator().manual_seed(1))
    run(torch.optim.AdamW(other, foreach=False), other, 20, torch.Generator().manual_seed(1))
    assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))
    large = weight(rng, 64, 64)
    optimizer = AdamW([large])
    run(optimizer, [large], 1, rng)
    assert isinstance(optimizer.state[large]["exp_avg"], Packed), "4096 entries are quantized"


def test_bytes_are_those_of_the_formula(rng):
    matrix, vector, kernel = weight(rng, 128, 256), weight(rng, 8192), weight(rng, 32, 16, 3, 3)
    rows = {matrix: 128 + 256, vector: 8192 // 128, kernel: 32 + 16 + 3 + 3}
    for p, scales in rows.items():
        optimizer = AdamW([p])
        assert optimizer.nbytes == 0
        run(optimizer, [p], 1, rng)
        m, v = p.numel() // 2 + 4 * p.numel() // 128, p.numel() // 2 + 4 * scales
        assert optimizer.nbytes == m + v == sum(formats.nbytes(form, p.shape) for form in (formats.FIRST, formats.SECOND))
    assert (m, v) == (2304 + 144, 2304 + 216)
    big = 1024 * 1024
    both = [formats.nbytes(form, (1024, 1024)) for form in (formats.FIRST, formats.SECOND)]
    assert both == [0.53125 * big, (0.5 + 8 / 1024) * big] and 7.6 < 8 * big / sum(both) < 7.8
    eight = [formats.nbytes(form, (1024, 1024)) for form in formats.eight_bit().values()]
    assert sum(eight) == 2 * (1 + 4 / 256) * big
    assert formats.nbytes(Factored(), (128, 256)) == 4 * 384 and formats.nbytes(formats.FIRST, (10, 10)) == 400


@seconds
def test_bytes_of_every_format_and_finite_steps(second, rng):
    p = weight(rng, 65, 100)
    optimizer = AdamW([p], second=second)
    run(optimizer, [p], 5, rng)
    found = optimizer.state[p]["exp_avg_sq"]
    assert found.nbytes == formats.nbytes(second, p.shape) and found.dequantize().shape == p.shape
    assert bool(p.isfinite().all()) and bool((found.dequantize() >= 0).all())


@seconds
def test_zeros_underflow_and_huge_gradients_stay_finite(second, rng):
    p = weight(rng, 64, 128)
    before, optimizer = p.detach().clone(), AdamW([p], lr=1e-3, second=second, weight_decay=0)
    sizes = 10 ** torch.linspace(-40, 18, 64)[:, None]
    for k in range(12):
        p.grad = torch.randn(64, 128, generator=rng) * (sizes if k % 3 else 0.0)
        optimizer.step()
    assert bool(p.isfinite().all()) and float((p.detach() - before).abs().max()) < 12 * 1e-3 * 40


@seconds
def test_a_weight_without_gradient_does_not_move(second, rng):
    p = weight(rng, 64, 128)
    still = torch.rand(64, 128, generator=rng) < 0.3
    still[5], still[:, 9] = True, True
    before, optimizer = p.detach().clone(), AdamW([p], lr=0.1, second=second, weight_decay=0)
    for _ in range(20):
        p.grad = torch.randn(64, 128, generator=rng).masked_fill(still, 0)
        optimizer.step()
    assert torch.equal(p[still], before[still]) and bool((p != before)[~still].all())


def zero_is_fatal(second, rng):
    """The largest move of a weight in 30 steps, over the learning rate."""
    p = weight(rng, 64, 128)
    scale = torch.exp(2 * torch.randn(64, 128, generator=rng))
    before, optimizer = p.detach().clone(), AdamW([p], lr=1e-3, second=second, weight_decay=0)
    for _ in range(30):
        p.grad = scale * torch.randn(64, 128, generator=rng)
        optimizer.step()
    return float((p.detach() - before).abs().max()) / 1e-3


def test_zero_among_the_levels_is_fatal_and_nothing_else(rng):
    with_zero = Codebook(values=tuple(k / 15 for k in range(16)), block=(128,))
    assert zero_is_fatal(with_zero, rng) > 1e4, "divided by eps"
    for name, second in SECONDS.items():
        moved = zero_is_fatal(second, rng)
        assert moved < (1e4 if name == "eight bits" else 200), "8 bits have a zero too, below levels of 3e-7"
    assert zero_is_fatal(None, rng) < 50


def test_any_quantizer_will_do(rng):
    """Affine, a square tile, double quantization; and steps of v that are rounded to 0 are as fatal as its levels."""
    doubled = Doubled(Affine(bits=8, block=(256,)))
    for first in (
        Affine(bits=4, block=(32, 32)),
        Affine(bits=8),
        Codebook(values=number_formats.dynamic(), block=(64,), scales=doubled),
    ):
        p = weight(rng, 65, 100)
        optimizer = AdamW([p], first=first)
        run(optimizer, [p], 5, rng)
        assert optimizer.nbytes == formats.nbytes(first, p.shape) + formats.nbytes(formats.SECOND, p.shape)
        assert bool(p.isfinite().all()) and optimizer.state[p]["exp_avg"].kept.quantizer == first
    v = 10.0 ** torch.linspace(-9, 0, 64).repeat_interleave(64)
    assert bool((Codebook(values=EVEN, block=(64,), scales=E4M3()).simulate(v) == 0).any())


def test_nearest_keeps_a_stale_momentum_for_ever_and_chance_lets_go():
    """0.9 times a level rounds back to it, where the level below is less than 0.8 of it; the largest of the block stays by its gradient."""
    moved = {}
    for rounding in ("nearest", "stochastic"):
        p = torch.nn.Parameter(torch.zeros(64, 128))
        first = Codebook(values=number_formats.dynamic(), block=(128,), rounding=rounding)
        optimizer = AdamW([p], lr=1e-3, weight_decay=0, first=first, second=None, generator=torch.Generator().manual_seed(0))
        gradient = torch.full((64, 128), 0.5)
        gradient[:, 0] = 1.0
        p.grad = gradient
        optimizer.step()
        for _ in range(150):
            p.grad = torch.zeros(64, 128)
            p.grad[:, 0] = 1.0
            optimizer.step()
        moved[rounding] = optimizer.state[p]["exp_avg"].dequantize()[:, 1:].mean()
    assert float(moved["nearest"]) > 0.02 and abs(float(moved["stochastic"])) < 0.005


def test_half_precision_moves_in_float32(rng):
    p = torch.nn.Parameter(torch.randn(64, 64, generator=rng).bfloat16())
    optimizer = AdamW([p], lr=1e-2)
    run(optimizer, [p], 3, rng)
    assert p.dtype == torch.bfloat16 and optimizer.state[p]["exp_avg"].dequantize().dtype == torch.float32
    small = torch.nn.Parameter(torch.randn(8, generator=rng).half())
    optimizer = AdamW([small])
    run(optimizer, [small], 3, rng)
    assert optimizer.state[small]["exp_avg"].dtype == torch.float32


def test_layouts_do_not_matter(rng):
    plain = weight(rng, 64, 4, 4, 4)
    other = torch.nn.Parameter(plain.detach().clone().to(memory_format=torch.channels_last))
    run(AdamW([plain]), [plain], 4, torch.Generator().manual_seed(1))
    run(AdamW([other]), [other], 4, torch.Generator().manual_seed(1))
    torch.testing.assert_close(plain, other)


def test_factors_are_adafactors_moving_averages(rng):
    """v from the moving averages of the means of rows and columns, as its paper writes them, and the step divides by it."""
    p, rate = weight(rng, 64, 80), 1e-2
    w, m = p.detach().clone(), torch.zeros(64, 80)
    r, c = torch.zeros(64), torch.zeros(80)
    optimizer = AdamW([p], lr=rate, weight_decay=0, first=None, second=Factored())
    for t in range(1, 16):
        p.grad = torch.randn(64, 80, generator=rng)
        m = 0.9 * m + 0.1 * p.grad
        r, c = 0.999 * r + 0.001 * p.grad.square().mean(1), 0.999 * c + 0.001 * p.grad.square().mean(0)
        v = torch.outer(r, c) / r.mean() / (1 - 0.999**t)
        w = w - rate * m / (1 - 0.9**t) / (v.sqrt() + 1e-8)
        optimizer.step()
    torch.testing.assert_close(p.detach(), w, rtol=1e-4, atol=1e-5)


def test_four_bits_learn_as_well(rng):
    """A quadratic with curvatures from 0.01 to 1, by noisy gradients: few bits cost something, and no more than that."""
    curvature, target = torch.logspace(-2, 0, 4096).view(64, 64), torch.randn(64, 64, generator=rng)
    ends = {}
    for name, how in {"32": FULL, "m": {"second": None}, "4": {}, "8": formats.eight_bit()}.items():
        p, draws = torch.nn.Parameter(torch.zeros(64, 64)), torch.Generator().manual_seed(1)
        optimizer = AdamW([p], lr=2e-2, weight_decay=0, **how)
        for k in range(120):
            optimizer.param_groups[0]["lr"] = 2e-2 * (1 - k / 120)
            p.grad = curvature * (p.detach() - target) + 0.1 * torch.randn(64, 64, generator=draws)
            optimizer.step()
        ends[name] = float((curvature * (p.detach() - target).square()).sum() / (curvature * target.square()).sum())
    assert ends["32"] < 0.2 and math.isclose(ends["8"], ends["32"], rel_tol=0.2)
    assert max(ends["m"], ends["4"]) < 4 * ends["32"], ends


def test_cited():
    assert "li2023fourbit" in wb.cite(AdamW([torch.nn.Parameter(torch.zeros(1))])) and "shazeer2018adafactor" in wb.cite(Factored())
    assert RankOne.paper == "li2023fourbit"
