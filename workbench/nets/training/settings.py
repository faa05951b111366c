"""Every number on which a training run depends besides data, model and objective, checked before any work."""

import math
from dataclasses import dataclass, field

from workbench.nets.training.rates import Constant, Rate

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Settings:
    """AdamW (``loshchilov2019adamw``) on batches, gradients clipped to a norm, weights averaged as they go.

    Args:
        steps: of the optimizer, in all.
        batch: samples a step, over all processes.
        rate: the largest learning rate.
        schedule: its factor as training goes on.
        betas: decay of the means of the gradient and of its square.
        weight_decay: pulls the weights towards 0, per step and unit of rate.
        clip: the largest norm of a gradient; None clips nothing.
        halflife: of the average of the weights, in samples.
        ramp: the half-life is at most this share of the samples seen so far.
        seed: of everything that is drawn.
        precision: "float32", or "bfloat16" inside the network (CUDA only).

    Raises:
        ValueError, TypeError: for what cannot be trained with, saying what was got and what is needed.
    """

    steps: int
    batch: int = 32
    rate: float = 1e-3
    schedule: Rate = field(default_factory=lambda: Constant(warmup=200))
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float | None = 1.0
    halflife: float = 20_000
    ramp: float = 0.1
    seed: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "seed"):
            value = getattr(self, name)
            least = 0 if name == "seed" else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name}={value!r}; it needs to be a whole number, {least} or more")
        for name in ("rate", "halflife", "ramp"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)!r}; it needs to be positive and finite")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay={self.weight_decay!r}; it needs to be 0 or more and finite")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip={self.clip!r}; it needs to be positive, or None for no clipping")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas={self.betas!r}; two numbers in [0, 1) are needed, such as (0.9, 0.99)")
        if not isinstance(self.schedule, Rate):
            raise TypeError(
                f"schedule={self.schedule!r}; it needs to be a learning-rate schedule such as Constant(warmup=200) or REX(); "
                "the learning rate itself goes to rate="
            )
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r}; it is one of {', '.join(PRECISIONS)}")
