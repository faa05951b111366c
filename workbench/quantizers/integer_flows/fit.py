"""Train an integer flow: shorten the code of the data."""

import math

import torch
from jaxtyping import Shaped
from torch import Tensor

from workbench.quantizers.integer_flows.flow import IntegerFlow
from workbench.quantizers.integer_flows.gates import Gates


def fit(
    flow: IntegerFlow,
    x: Shaped[Tensor, "n c h w"],
    *,
    steps: int,
    generator: torch.Generator,
    batch: int = 256,
    rate: float = 3e-3,
    price: float = 0.0,
    quick_factor: float = 5.0,
    progress: bool = False,
) -> list[float]:
    """Train ``flow`` in place on the whole numbers ``x``, and return bits per dimension of each batch.

    The loss is -log2 P(x) / D.  With gates, ``price`` times the open share of all of them is added.  Adam, a rate that rises over
    the first 5 % of the steps and falls to 0 along a cosine, gradients cut at norm 1.

    Args:
        flow: is changed.
        x: training data.
        steps: of the optimizer.
        generator: draws the batches, and the coins of stochastic rounding.
        batch: samples a step.
        rate: the largest learning rate.
        price: of the gates.
        quick_factor: how much faster the laws of z, and gates, learn.
        progress: whether to show a bar.

    Raises:
        ValueError: for no data, samples of another shape, or a price where there are no gates.
        FloatingPointError: when the loss is not finite.
    """
    gates = [part for part in flow.modules() if isinstance(part, Gates)]
    if not len(x):
        raise ValueError("got no samples to train on; give at least one")
    if price and not gates:
        raise ValueError(f"price={price}, but this flow has no gates: call add_gates first")
    flow.check(x)
    size = math.prod(flow.shape)
    quick = [*flow.priors.parameters(), *(g.p for g in gates)]
    rest = [p for p in flow.parameters() if all(p is not other for other in quick)]
    groups = [{"params": rest, "factor": 1.0}, {"params": quick, "factor": quick_factor}]
    optimizer = torch.optim.Adam(groups, lr=rate, betas=(0.9, 0.99))
    history = []
    for step in _counted(steps, progress):
        pace = min((step + 1) / (0.05 * steps + 1), 0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * pace * group["factor"]
        rows = torch.randint(len(x), (min(batch, len(x)),), generator=generator)
        bits = flow.bits(x[rows].float(), generator).mean() / size
        loss = bits + (price * sum(g.price for g in gates) / sum(len(g.p) for g in gates) if price else 0.0)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step + 1}; a smaller rate than {rate} may help")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        history.append(bits.item())
    return history


def _counted(steps: int, progress: bool):
    if not progress:
        return range(steps)
    from tqdm.auto import tqdm

    return tqdm(range(steps), unit="step")
