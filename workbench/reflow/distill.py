"""One-step distillation: learn where a flow ends from where it starts, and nothing in between."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from workbench.denoiser import Denoiser
from workbench.nets.training.flow_matching import Premetric
from workbench.nets.training.rates import Rate
from workbench.nets.training.trainer import Step
from workbench.reflow.couplings import Coupling, Paired
from workbench.reflow.fit import fit
from workbench.schedules import Schedule


@dataclass(frozen=True)
class NoiseEnd:
    """t = 1 for every sample: all of the attention on the one question that a one-step sampler asks."""

    def draw(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """``schedule.t_max``, ``batch`` times; nothing is drawn."""
        return torch.full((batch,), schedule.t_max, dtype=torch.float64, device=generator.device)


def distill(
    flow: nn.Module | Denoiser,
    coupling: Coupling,
    *,
    steps: int,
    generator: torch.Generator,
    premetric: Premetric | None = None,
    batch: int = 512,
    rate: float = 1e-2,
    schedule: Rate | None = None,
    drop: float = 0.15,
    halflife: float = 50_000,
    progress: bool = False,
    callback: Callable[[Step, Denoiser], object] | None = None,
) -> Denoiser:
    """Return a one-step model, trained to carry each noise of ``coupling`` to its own sample:  data(z, 1) = z - velocity(z, 1).

        pairs = wb.reflow.pairs_of(flow, 50_000, (2,), generator=rng)
        model = wb.reflow.distill(flow, pairs, steps=1000, generator=rng)
        x0    = model.data(noise, 1.0)                # one evaluation; the same as one Euler step from t = 1 to 0

    The loss is  E premetric(velocity(z, 1), z - x_0): the loss of reflow on the same pairs with every time at the noise end (the
    released code of ``liu2023rectified``, whose time runs the other way, calls it "t0 only").  Reflow asks for a flow, good at every
    t, whose law at every t is that of the lines; distillation keeps one of its answers and gives the whole network to it.  At t = 1
    each noise has one partner, so the least loss is 0, whatever the premetric, and the minimum is the end of the teacher's own path:
    for a Gaussian law  mu + Sigma^(1/2) z.  Away from t = 1 the velocity of the model means nothing any more.

    What is given is left as it is.

    Args:
        flow: where to start, best the flow that made the pairs, or the rectified one; or a network, taken as the velocity.
        coupling: pairs, ``paired(x0, noise)`` or ``pairs_of(flow, ...)``.
        steps, generator, premetric, batch, rate, schedule, drop, halflife, progress, callback: as for :func:`fit`.

    Raises:
        TypeError: for a coupling without pairs: where a noise has many partners, the best single answer is their mean.
        ValueError, NonFiniteLoss: as :func:`fit`.
    """
    if not isinstance(coupling, Paired):
        raise TypeError(
            f"distill needs each noise with its own end, got {type(coupling).__name__}: with partners by chance the best answer is "
            "their mean, one and the same blur for every noise; pass wb.reflow.pairs_of(flow, ...) or wb.reflow.paired(x0, noise)"
        )
    return fit(
        flow, coupling, steps=steps, generator=generator, times=NoiseEnd(), premetric=premetric, batch=batch, rate=rate,
        schedule=schedule, drop=drop, halflife=halflife, progress=progress, callback=callback,
    )  # fmt: skip
