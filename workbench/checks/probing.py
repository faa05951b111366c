"""Mean and variance of a whole run in closed form, for a sampler that is only known by what it does.

On a Gaussian law the exact model is affine in the state.  Then so is a run: its last state is b + a x + sum_k c_k z_k, in the start x
and the draws z_k, whatever the sampler remembers between its steps.  One run of a batch reads off all coefficients: while it lasts,
standard normal draws return probes instead of noise, so that the first sample sees no noise, the second starts at 1, and each of the
others sees one draw alone.  A last sample with a start and noise of its own tells whether the run is affine at all.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from workbench.checks.asking import Problem
from workbench.checks.running import Sampler, run


class Moments(NamedTuple):
    """Of the last state, and how many draws it took."""

    mean: float
    variance: float
    draws: int


class Probes(TorchFunctionMode):
    """While it is entered, the k-th standard normal draw returns ``column(k)`` (or zeros), and no random state is touched."""

    def __init__(self, columns: Tensor | None = None) -> None:
        super().__init__()
        self.columns, self.draws = columns, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Replace what draws normal numbers; let everything else pass."""
        kwargs = dict(kwargs or {})
        if func not in (torch.randn, torch.randn_like, torch.normal, torch.Tensor.normal_):
            return func(*args, **kwargs)
        kwargs.pop("generator", None)
        if func is torch.randn:
            return self._fill(torch.zeros(*args, **kwargs))
        if func is torch.randn_like:
            return self._fill(torch.zeros_like(*args, **kwargs))
        if func is torch.Tensor.normal_:
            return args[0].copy_(_scaled(self._fill(torch.zeros_like(args[0])), *args[1:], **kwargs))
        mean, std = (torch.as_tensor(part) for part in (*args[:2], *(kwargs.pop(k) for k in ("mean", "std") if k in kwargs)))
        size = args[2] if len(args) > 2 else kwargs.pop("size", None)
        shape = torch.broadcast_shapes(mean.shape, std.shape) if size is None else size
        return _scaled(self._fill(torch.zeros(shape, **{"dtype": std.dtype, **kwargs})), mean, std)

    def _fill(self, out: Tensor) -> Tensor:
        self.draws += 1
        if self.columns is None:
            return out
        samples = len(self.columns)
        if out.numel() != samples or out.shape[:1] != (samples,):
            raise Problem(
                f"noise of shape {tuple(out.shape)} is drawn for a state of shape ({samples}, 1): usual cause: one draw that all "
                "samples share; draw it with the shape of x"
            )
        if self.draws > self.columns.shape[1]:
            raise Problem("how often noise is drawn depends on the batch: usual cause: a draw of its own for every sample")
        return out.copy_(self.columns[:, self.draws - 1].reshape(out.shape))


def _scaled(z: Tensor, mean: Any = 0.0, std: Any = 1.0) -> Tensor:
    return mean + std * z


def moments(sampler: Sampler, law: Any, times: list[float], mean: float, variance: float) -> Moments:
    """Mean and variance of the last state, for a start of N(mean, variance) and a ``law`` that is Gaussian.

    Raises:
        Problem: where the sampler breaks, shares its noise between samples, draws noise in other ways, or is not affine.
    """
    own = torch.Generator().manual_seed(0)
    with Probes() as quiet:
        silent = run(sampler, law, torch.zeros(2, 1, dtype=torch.float64), times, own)[-1]
    draws = quiet.draws
    start, columns = torch.zeros(3 + draws, 1, dtype=torch.float64), torch.zeros(3 + draws, draws, dtype=torch.float64)
    start[1], columns[2:-1] = 1.0, torch.eye(draws, dtype=torch.float64)
    start[-1], columns[-1] = 0.8, torch.randn(draws, generator=own)  # of few digits: some samplers draw in float32
    with Probes(columns):
        x = run(sampler, law, start, times, own)[-1][:, 0]
    slope, fresh = x[1] - x[0], x[2:-1] - x[0]
    if not bool(x.isfinite().all()):
        return Moments(math.nan, math.nan, draws)
    if not torch.allclose(silent, x[0].expand(2, 1), rtol=1e-9, atol=1e-9):
        raise Problem(
            "two runs differ though their normal draws are the same: usual cause: noise that comes from somewhere else than "
            "torch.randn, torch.randn_like or torch.normal, or a memory of the run before"
        )
    guess = x[0] + slope * start[-1, 0] + (fresh * columns[-1]).sum()
    if not torch.allclose(guess, x[-1], rtol=1e-7, atol=1e-9 * float(1 + x.abs().max())):
        raise Problem(
            "the run is not affine in its state and its noise, though the model is: usual cause: clipping or thresholding, a "
            "root or a square of the state, or noise that depends on the state"
        )
    return Moments(float(slope * mean + x[0]), float(slope**2 * variance + fresh.square().sum()), draws)
