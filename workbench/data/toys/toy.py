"""What every 2-D toy offers: samples from a law, and the exact density of that law."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Toy:
    """A law on the plane. ``toy(n, generator=rng)`` draws from it; ``toy.log_prob(x)`` is its exact log-density.

    Samples are drawn in float64 on the generator's device and rounded to ``dtype`` last, so one seed gives the same
    points in float32 and float64. All ten toys put (almost) all of their mass in the square ``[-3, 3]^2``.
    """

    name: str

    def __call__(self, n: int, *, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Float[Tensor, "n 2"]:
        """Draw ``n`` independent points; the result lives on ``generator``'s device.

        Raises ``TypeError`` for an ``n`` that is not an int, a ``generator`` that is not a ``torch.Generator`` or a
        ``dtype`` that is not floating point, and ``ValueError`` for ``n < 1``.
        """
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"{self.name}: n is {n!r}; it must be an int, the number of points to draw")
        if n < 1:
            raise ValueError(f"{self.name}: n is {n}; ask for at least 1 point")
        if not isinstance(generator, torch.Generator):
            raise TypeError(f"{self.name}: generator is {generator!r}; pass torch.Generator().manual_seed(0) or the like")
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise TypeError(f"{self.name}: dtype is {dtype!r}; it must be a floating-point torch.dtype such as torch.float32")
        return self._draw(n, generator).to(dtype)

    def log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        """Return the normalized log-density (nats) at each row of ``x``, in the dtype and on the device of ``x``.

        Computed in float64 and rounded last. Raises ``TypeError`` unless ``x`` is a floating-point tensor and
        ``ValueError`` unless its shape is ``(n, 2)``.
        """
        if not isinstance(x, Tensor) or not x.is_floating_point():
            got = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{self.name}.log_prob: x is {got}; it must be a floating-point tensor of shape (n, 2)")
        if x.ndim != 2 or x.shape[1] != 2:
            raise ValueError(f"{self.name}.log_prob: x has shape {tuple(x.shape)}; it must be (n, 2), one point a row")
        return self._log_density(x.double()).to(x.dtype)

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        raise NotImplementedError

    def _log_density(self, x: Tensor) -> Tensor:
        raise NotImplementedError


def normal(n: int, generator: torch.Generator) -> Tensor:
    """Return ``n`` standard normal points of the plane in float64."""
    return torch.randn(n, 2, generator=generator, dtype=torch.float64, device=generator.device)


def uniform(n: int, generator: torch.Generator) -> Tensor:
    """Return ``n`` float64 numbers uniform on [0, 1)."""
    return torch.rand(n, generator=generator, dtype=torch.float64, device=generator.device)


def polar(radius: Tensor, angle: Tensor) -> Tensor:
    """Return ``radius * (cos angle, sin angle)``, points in the last dimension."""
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
