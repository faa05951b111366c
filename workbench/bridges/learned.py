"""A network that learns a bridge from pairs: it is shown the shifted state, the time, and the end point."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from workbench.bridges.pairs import check_pinned
from workbench.denoiser import Denoiser
from workbench.draws import normal
from workbench.nets.fit import fit as fit_network
from workbench.nets.training.levels import LogNormal
from workbench.nets.training.objective import Denoising
from workbench.preconditioned import Preconditioned
from workbench.schedules import Schedule


class WithEnd(nn.Module):
    """F(y, times, end) = net([y, end], times): the end point as further coordinates (or channels) of the input.

    Args:
        net: takes twice the coordinates that it returns, such as ``MLP(2, inputs=4, generator=...)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, x: Float[Tensor, "batch *shape"], times: Float[Tensor, "batch"], end: Float[Tensor, "batch *shape"]
    ) -> Tensor:
        """The raw output F."""
        return self.net(torch.cat([x, end.to(x)], dim=1), times)


@dataclass(frozen=True)
class BridgeMatching(Denoising):
    """:class:`Denoising` for pairs (batch, 2, \\*shape), the clean sample first: the model is bound to the second of each pair.

    Its minimum is E[x_0 | x_T, y_t].  The state y_t = alpha x_0 + sigma z needs the end point only through the network's input.
    """

    def check(self, model: Denoiser) -> None:
        """Raise TypeError unless the model is preconditioned and lives on a bridge."""
        super().check(model)
        check_pinned(model.schedule, "BridgeMatching")

    def draw(
        self, schedule: Schedule, x0: Tensor, generator: torch.Generator, noise: Tensor | None = None
    ) -> tuple[Tensor, Float64[Tensor, "batch"]]:
        """The time of each pair, and the noise of its clean half."""
        t = self.times(schedule, len(x0), generator)
        return normal(x0[:, 0].shape, generator, x0.dtype, x0.device) if noise is None else noise, t

    def judge(self, model: Preconditioned, x0: Tensor, noise: Tensor, t: Float64[Tensor, "batch"]) -> Float[Tensor, "batch"]:
        """The error of the model bound to the end points."""
        return super().judge(model.given(x0[:, 1]), x0[:, 0], noise, t)


def fit(
    model: Preconditioned,
    x0: Float[Tensor, "n *shape"],
    end: Float[Tensor, "n *shape"],
    *,
    steps: int,
    generator: torch.Generator,
    levels: LogNormal | None = None,
    **settings: Any,
) -> Denoiser:
    """``wb.nets.fit`` on pairs: return ``model`` with its network trained to denoise x_0 when it is told x_T.

        net   = wb.bridges.WithEnd(wb.nets.MLP(2, inputs=4, generator=rng))
        model = wb.EDMDenoiser(net, sigma_data=1.0, schedule=wb.bridges.Bridge())
        model = wb.bridges.fit(model, x0, end, steps=1500, generator=rng)

    Args:
        model: preconditioned, on a bridge, its network taking the end point as third argument.
        x0, end: the pairs.
        steps, generator, settings: see ``wb.nets.fit``.
        levels: where on the noise scale sigma / alpha the network is trained, by default ``LogNormal(0.0, 1.5)``.

    Raises:
        ValueError, TypeError: for pairs of two shapes, and for all that ``wb.nets.fit`` refuses.
    """
    if x0.shape != end.shape:
        raise ValueError(f"got x0 {tuple(x0.shape)} and end {tuple(end.shape)}; a pair has two samples of one shape")
    objective = BridgeMatching(levels or LogNormal(0.0, 1.5))
    return fit_network(model, torch.stack([x0, end], 1), steps=steps, generator=generator, objective=objective, **settings)
