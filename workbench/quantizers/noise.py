"""Rounding as noise: how large it is, and how it is measured."""

import math

from torch import Tensor


def sqnr(x: Tensor, restored: Tensor) -> float:
    """10 log10(sum x^2 / sum (x - restored)^2), the signal-to-noise ratio of a quantizer in decibels; infinite where nothing was lost.

    Raises:
        ValueError: for tensors of different shapes, or empty ones.
    """
    if x.shape != restored.shape or x.numel() == 0:
        raise ValueError(f"got shapes {tuple(x.shape)} and {tuple(restored.shape)}; give a tensor and its restored version")
    signal, noise = float(x.double().square().sum()), float((x.double() - restored.double()).square().sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def variance(step: float, rounding: str = "nearest") -> float:
    """Mean squared error of rounding numbers that are spread over many steps: step^2 / 12 to the nearest, step^2 / 6 stochastic."""
    return step**2 / (12 if rounding == "nearest" else 6)


def sqnr_of_uniform(bits: int) -> float:
    """20 log10(2 Q), Q = 2^(b-1) - 1: what a symmetric quantizer reaches on numbers spread evenly over its range, in decibels.

    The signal is Q^2 step^2 / 3 and the noise step^2 / 12.  The familiar 6.02 b is its limit for many bits; from 3 bits to 4 it gains 7.4.
    """
    return 20 * math.log10(2 * (2 ** (bits - 1) - 1))
