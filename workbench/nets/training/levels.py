"""How noisy the training pictures are: where on the noise axis a network spends its attention."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from workbench.schedules import Schedule


@dataclass(frozen=True)
class LogNormal:
    """log(rho) ~ N(mean, std^2), with rho = sigma / alpha: EDM's choice (``karras2022edm``), which spends 95 % between .03 and 3.2.

    Raises:
        ValueError: for a standard deviation that is not positive.
    """

    mean: float = -1.2
    std: float = 1.2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.std < math.inf):
            raise ValueError(f"LogNormal needs a finite mean and a std > 0, got mean={self.mean}, std={self.std}")

    def draw(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """Draw one time of ``schedule`` for each sample."""
        z = torch.randn(batch, generator=generator, dtype=torch.float64, device=generator.device)
        return schedule.inverse_log_snr(-(self.mean + self.std * z))
