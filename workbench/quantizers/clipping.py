"""Where to clip: a smaller range has finer steps, and loses what is outside."""

import math

import torch
from torch import Tensor

from workbench.quantizers import blocks, uniform

CANDIDATES = tuple(1 - k / 100 for k in range(90))


def best_shrink(x: Tensor, bits: int, block: blocks.Block = None, zero: str = "center") -> Tensor:
    """Return the factor on the range, one for each block, whose squared error is smallest among 1, 0.99, ..., 0.11.

    Searching beats a formula, for the best range depends on the law of the numbers; on Gaussian ones compare :func:`gaussian_clip`.
    """
    best = best_error = None
    for shrink in CANDIDATES:
        steps = uniform.choose(x, bits, block, zero, shrink)
        error = blocks.cells((uniform.dequantize(uniform.quantize(x, steps), steps) - x).square(), block, "zero").sum(-1)
        if best is None:
            best, best_error = torch.ones_like(error), error
        else:
            better = error < best_error
            best, best_error = torch.where(better, shrink, best), torch.where(better, error, best_error)
    return best.double()


def gaussian_error(clip: float, bits: int) -> float:
    """Mean squared error on N(0, 1) of a symmetric quantizer whose outermost levels are -clip and clip, to first order in the step.

    Inside, step^2 / 12 times the probability of being inside, with step = clip / Q; outside, 2 int_clip^inf (x - clip)^2 p(x) dx.
    """
    step = clip / uniform.codes_of(bits, "center")[1]
    outside = math.erfc(clip / math.sqrt(2))
    density = math.exp(-(clip**2) / 2) / math.sqrt(2 * math.pi)
    return step**2 / 12 * (1 - outside) + (1 + clip**2) * outside - 2 * clip * density


def gaussian_clip(bits: int) -> float:
    """The clip of least :func:`gaussian_error`, in standard deviations."""
    from scipy.optimize import minimize_scalar

    return float(minimize_scalar(gaussian_error, bounds=(0.1, 8.0), args=(bits,), method="bounded", options={"xatol": 1e-10}).x)
