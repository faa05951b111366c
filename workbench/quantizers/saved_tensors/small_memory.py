"""Training with a small memory: an objective that wraps another one, for ``wb.nets.fit`` and the ``Trainer``."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.nets.training.objective import Objective
from workbench.nets.training.trainer import network_of
from workbench.quantizers.saved_tensors.adaptation import WAYS, allocate
from workbench.quantizers.saved_tensors.memory import Memory, compressed
from workbench.quantizers.saved_tensors.sensitivity import sensitivities
from workbench.schedules import Schedule


class SmallMemory(Objective):
    """The loss of ``objective``, with what backward needs stored in few bits, after ``chen2021actnn`` and ``liu2022gact``.

        small = wb.quantizers.SmallMemory(wb.nets.FlowMatching(), bits=2, generator=rng)
        wb.nets.fit(model, x0, steps=1500, objective=small, generator=rng)

    Args:
        objective: the loss.
        bits: for each saved number, on average.
        generator: for rounding.  It lives on from step to step, so a run continued from a checkpoint rounds otherwise than one that
            was not interrupted.
        group: numbers that share a smallest and a largest one.
        interval: steps between two measurements of what each tensor's bits are worth; at the first step, too.  None gives all the same.
            A measurement takes three passes for every tensor.
        how: "exact" or "greedy" allocation.

    Attributes:
        memory: of the network in training, with the account of the last step; None before the first.

    Raises:
        ValueError: for bits, group, interval or ``how`` out of range.
    """

    paper = ("chen2021actnn", "liu2022gact")

    def __init__(
        self,
        objective: Objective,
        bits: float = 4,
        *,
        generator: torch.Generator,
        group: int = 256,
        interval: int | None = None,
        how: str = "exact",
    ) -> None:
        if interval is None and bits != int(bits):
            raise ValueError(
                f"bits is {bits}, the same for all; give a whole number, or an interval after which bits are shared out anew"
            )
        if interval is not None and interval < 1:
            raise ValueError(f"interval is {interval}; give at least 1 step, or None")
        if how not in WAYS:
            raise ValueError(f"how is {how!r}; choose one of {', '.join(map(repr, WAYS))}")
        self.objective, self.bits, self.generator, self.group = objective, bits, generator, group
        self.interval, self.how, self.memory, self._steps = interval, how, None, 0
        compressed(torch.nn.Identity(), round(bits), group=group, generator=generator)  # refuses what is out of range

    @property
    def target_halflife(self) -> float | None:
        """That of the loss."""
        return self.objective.target_halflife

    def towards(self, target: Denoiser) -> "SmallMemory":
        """The loss bound to a slow copy of the model."""
        bound = self.objective.towards(target)
        return SmallMemory(bound, self.bits, generator=self.generator, group=self.group, interval=self.interval, how=self.how)

    def check(self, model: Denoiser) -> None:
        """As the loss does."""
        self.objective.check(model)

    def times(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """As the loss does."""
        return self.objective.times(schedule, batch, generator)

    def judge(
        self, model: Denoiser, x0: Float[Tensor, "batch *shape"], noise: Float[Tensor, "batch *shape"], t: Float64[Tensor, "batch"]
    ) -> Float[Tensor, "batch"]:
        """The loss of each sample; what its gradient needs is in few bits."""
        if not torch.is_grad_enabled():
            return self.objective.judge(model, x0, noise, t)
        net = network_of(model)
        if self.memory is None or self.memory.net is not net:
            self.memory = compressed(net, round(self.bits), group=self.group, generator=self.generator)
        if self.interval is not None and self._steps % self.interval == 0:
            self._adapt(self.memory, model, x0, noise, t)
        self._steps += 1
        with self.memory:
            return self.objective.judge(model, x0, noise, t)

    def _adapt(self, memory: Memory, *batch) -> None:
        parameters = [p for p in memory.net.parameters() if p.requires_grad]

        def gradient() -> Float[Tensor, "n"]:
            with memory:
                loss = self.objective.judge(*batch).mean()
            parts = torch.autograd.grad(loss, parameters, allow_unused=True)
            return torch.cat([part.flatten() for part in parts if part is not None])

        found = sensitivities(memory, gradient)
        sizes = {saved.name: saved.numbers for saved in memory.saved if saved.name in found}
        memory.bits = allocate(found, sizes, self.bits, how=self.how) if found else round(self.bits)
