"""The only training loop of the package: draw, judge, step, average.  Chapters, the command and reflow all run it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from workbench.denoiser import Denoiser
from workbench.nets.training.averaging import Average
from workbench.nets.training.batches import Batches
from workbench.nets.training.objective import Objective
from workbench.nets.training.processes import Alone
from workbench.nets.training.settings import Settings

ADAMW = partial(torch.optim.AdamW, foreach=True)
"""The optimizer where no other is asked for."""


@dataclass(frozen=True)
class Step:
    """What happened in one step, over all processes.

    Attributes:
        number: steps done, this one included.
        loss: the mean over the batch.
        norm, norm1: of the gradient before clipping: root of the sum of squares, and sum of magnitudes.
        rate: the learning rate.
        losses, times: of each sample, (batch,).
    """

    number: int
    loss: float
    norm: float
    norm1: float
    rate: float
    losses: Tensor
    times: Tensor


class NonFiniteLoss(ArithmeticError):
    """A loss or a gradient is infinite or not a number; the message says at which step, for which samples and times."""


class Trainer:
    """Train the network inside ``model``, in place, and keep an average of its weights.

    Step k depends on weights, optimizer, settings and k, and on nothing else: no generator lives on from one step to the next.
    That is what makes :meth:`state` and :meth:`restore` exact.

    Args:
        model: a denoiser whose field ``net`` is a ``torch.nn.Module`` on the device where it is to be trained.
        batches: the data.
        objective: the loss.
        settings: all numbers.
        processes: who shares the work; this process alone by default.
        optimizer: makes the optimizer, called as ``optimizer(parameters, lr=..., betas=..., eps=..., weight_decay=...)``, for instance
            ``wb.quantizers.AdamW``; by default that of ``torch.optim``.

    Raises:
        ValueError, TypeError: where this model cannot be trained so, before any work.
    """

    def __init__(
        self,
        model: Denoiser,
        batches: Batches,
        objective: Objective,
        settings: Settings,
        processes: Alone | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] = ADAMW,
    ) -> None:
        net = network_of(model)
        objective.check(model)
        processes = processes or Alone()
        self.share, self.device = processes.share(settings.batch), next(net.parameters()).device
        check_precision(settings.precision, self.device)
        self.net, self.batches, self.objective, self.settings, self.processes = net, batches, objective, settings, processes
        self.parameters = [p for p in net.parameters() if p.requires_grad]
        self.step, self.average = 0, Average(net, settings.halflife, settings.ramp)
        self.model = replace(model, net=_in_precision(processes.shared(net), settings.precision))
        self.averaged = replace(model, net=self.average.net)
        self.target: Average | None = None
        if objective.target_halflife is not None:
            self.target = Average(net, objective.target_halflife, math.inf)
            self.objective = objective.towards(replace(model, net=self.target.net))
        self.optimizer = optimizer(
            self.parameters, lr=settings.rate, betas=settings.betas, eps=1e-8, weight_decay=settings.weight_decay
        )

    def run(self, until: int | None = None) -> Iterator[Step]:
        """Do the steps that are left, up to number ``until`` (all of them by default), handing each out as it is done."""
        until = self.settings.steps if until is None else min(until, self.settings.steps)
        while self.step < until:
            yield self.advance()

    def advance(self) -> Step:
        """Do one step.

        Raises:
            NonFiniteLoss: before the weights are touched.
        """
        settings = self.settings
        x0, labels, noise, draws = self.batches.at(self.step)
        noise, times = self.objective.draw(self.model.schedule, x0, draws, noise)
        x0, noise, mine = x0[self.share].to(self.device), noise[self.share].to(self.device), times[self.share]
        model = self.model if labels is None else self.model.given(labels[self.share].to(self.device))
        losses = self.objective.judge(model, x0, noise, mine)
        self.optimizer.zero_grad()
        losses.mean().backward()
        losses = self.processes.gathered(losses.detach())
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm1 = torch.stack(torch._foreach_norm(gradients, 1)).sum()
        norm = nn.utils.clip_grad_norm_(self.parameters, math.inf if settings.clip is None else settings.clip)
        loss, size, size1 = torch.stack([losses.mean(), norm, norm1]).tolist()
        if not (math.isfinite(loss) and math.isfinite(size)):
            raise NonFiniteLoss(self._diagnosis(losses, times, size))
        rate = settings.rate * settings.schedule.factor(self.step, settings.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.step += 1
        for copy in filter(None, (self.average, self.target)):
            copy.update(self.net, settings.batch, self.step * settings.batch)
        return Step(self.step, loss, size, size1, rate, losses, times)

    def _diagnosis(self, losses: Tensor, times: Tensor, norm: float) -> str:
        bad = (~losses.isfinite()).nonzero().flatten().cpu()
        which = "the gradient" if not len(bad) else f"the loss of {len(bad)} of {len(losses)} samples"
        some = bad[:8] if len(bad) else losses.argsort(descending=True)[:8].cpu()
        rows, levels = self.batches.rows(self.step)[some].tolist(), [f"{t:.4g}" for t in times[some].tolist()]
        return (
            f"step {self.step + 1}: {which} is not finite (gradient norm {norm}); samples {rows} at times {', '.join(levels)}; "
            "the weights are those of the step before: lower the learning rate or lengthen the warm-up, and look at those samples"
        )

    def state(self) -> dict[str, Any]:
        """All that the next step depends on besides the settings: the weights, their averages, the optimizer, the step."""
        target = {} if self.target is None else {"target": self.target.net.state_dict()}
        return {
            **target,
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state` returned, as if nothing had happened in between."""
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        if self.target is not None:
            self.target.net.load_state_dict(state["target"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def network_of(model: Denoiser) -> nn.Module:
    """The network inside ``model``, in its field ``net``; TypeError where there is none."""
    net = getattr(model, "net", None)
    if not isinstance(net, nn.Module):
        raise TypeError(f"{type(model).__name__} holds no torch.nn.Module in its field net, so there is nothing to train in it")
    return net


def check_precision(precision: str, device: torch.device) -> None:
    """Raise ValueError for a precision that does not pay on this device."""
    if precision != "float32" and device.type != "cuda":
        raise ValueError(
            f"precision={precision!r} on the {device.type}: it pays on CUDA devices only; elsewhere it is slower than float32 and less "
            "precise; take precision='float32'"
        )


def _in_precision(net: Callable[..., Tensor], precision: str) -> Callable[..., Tensor]:
    """The network itself, or its matrix products in bfloat16: what surrounds it (the preconditioner, the loss) stays float32."""
    if precision == "float32":
        return net

    def called(x: Tensor, *rest: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            return net(x, *rest).to(x.dtype)

    return called
