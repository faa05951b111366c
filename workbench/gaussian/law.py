"""What the exact laws share: checked states, the convention at sigma = 0, bits per dimension, the same law on another schedule."""

import math
from abc import abstractmethod
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time
from workbench.draws import Generators, check_generators
from workbench.schedules import Schedule


class Law(Denoiser):
    """A data law whose denoiser, score and density at every noise level are known in closed form.

    ``data`` at sigma = 0 is x / alpha, as for every denoiser.
    """

    predicts = "data"

    @property
    @abstractmethod
    def shape(self) -> torch.Size:
        """The shape of a sample."""

    @property
    def dim(self) -> int:
        """d, the number of entries of a sample."""
        return math.prod(self.shape)

    @abstractmethod
    def log_prob(self, x: Float[Tensor, "batch *shape"], t: Time = 0.0) -> Float[Tensor, "batch"]:
        """log q_t(x) in nats."""

    def sample(
        self,
        n: int,
        t: float | int = 0.0,
        *,
        generator: Generators,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """n draws of x_t, (n, \\*shape).

        Args:
            n: how many.
            t: one time of the schedule; 0 is the data.
            generator: one for the batch, or a list with one for each sample, whose draw then does not depend on the others.
            dtype: of the result; the noise itself is drawn in float32.
            device: of the result.

        Raises:
            TypeError: for a generator that is not a torch.Generator, or a list of them.
            ValueError: for n that is not a positive int, no generator or the wrong number of them, a time outside the schedule.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"sample needs n >= 1 samples, as an int; got {n!r}")
        check_generators(generator, n, "sample")
        return self._draw(n, float(t), generator, dtype, device)

    @abstractmethod
    def _draw(self, n: int, t: float, generator: Generators, dtype: torch.dtype, device: torch.device | str) -> Tensor:
        """What ``sample`` returns, for a checked n and generator."""

    @abstractmethod
    def _face(self, target: str, x: Tensor, t: float | Tensor) -> Tensor:
        """One face; x is checked, t is a float or a (batch,) float64 tensor on the CPU."""

    def bits_per_dim(
        self, x: Float[Tensor, "batch *shape"], t: Time = 0.0, *, bin_width: float | int = 1.0
    ) -> Float[Tensor, "batch"]:
        """-log2 of the probability of a bin of width ``bin_width`` an axis, per dimension: -(log q_t(x) / d + log bin_width) / log 2.

        8-bit images scaled to [-1, 1] have bins of 2 / 256 (+7 bits), to [0, 1] of 1 / 256 (+8).
        """
        if not 0 < bin_width < math.inf:
            raise ValueError(f"bin_width must be positive, got {bin_width}; 8-bit images in [-1, 1] have 2 / 256")
        return -(self.log_prob(x, t) / self.dim + math.log(bin_width)) / math.log(2)

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """E[x_0 | x_t]."""
        return self.face("data", x, t)

    def face(self, target: str, x: Tensor, t: Time) -> Tensor:
        """One face by name, from its own closed form."""
        self._check(x)
        t = self._time(t, len(x))
        if target != "data":
            return self._face(target, x, t)
        if not isinstance(t, Tensor):
            return self._at_the_data(target, x, t) if t == 0 else self._face(target, x, t)
        clean = t == 0
        return self._partly_at_the_data(target, x, t, clean) if bool(clean.any()) else self._face(target, x, t)

    def on(self, schedule: Schedule) -> "Law":
        """The same law of the data, seen through the noise of another schedule."""
        return replace(self, schedule=schedule)

    def _time(self, t: Time, batch: int) -> float | Tensor:
        t = as_time(t, batch)
        return t.cpu() if isinstance(t, Tensor) else t

    def _check(self, x: Tensor) -> None:
        if not isinstance(x, Tensor) or not x.is_floating_point():
            got = f"dtype {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"x must be a floating-point tensor (batch, *shape), got {got}")
        if x.shape[1:] != self.shape or x.ndim < 2:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; this law needs (batch, {', '.join(map(str, self.shape))}): "
                "add a batch axis with x[None], or check which data the law was made from"
            )


def wide(x: Tensor) -> Tensor:
    """x flattened to (batch, d) in float64 (on the CPU where the device has none)."""
    return x.flatten(1).to("cpu" if x.device.type == "mps" else x.device).to(torch.float64)


def check_schedule(schedule: Schedule, who: str) -> None:
    """Raise TypeError unless ``schedule`` is a schedule."""
    if not isinstance(schedule, Schedule):
        raise TypeError(f"{who} needs a schedule such as wb.schedules.VP(), got {schedule!r}")
