"""A teacher: one long run that writes down where it was, and what the model answered there."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, combine, conversion
from workbench.solution import Counted
from workbench.solve import solve
from workbench.solvers.base import Solver


@dataclass(frozen=True, eq=False)
class Teacher:
    """The path of every sample through the candidate times.

    Args:
        times: the candidates, decreasing; M + 1 of them.
        states: x at each of them, (M + 1, batch, \\*shape).
        answers: the data prediction at each but the last, (M, batch, \\*shape).
        evaluations: of the model, for each sample.
    """

    times: tuple[float, ...]
    states: Float[Tensor, "points batch *shape"]
    answers: Float[Tensor, "steps batch *shape"]
    evaluations: int


def teach(model: Denoiser, noise: Float[Tensor, "batch *shape"], times: Float[Tensor, "points"], solver: Solver) -> Teacher:
    """Run the teacher from ``noise`` through ``times``.

    A law with an exact flow needs no solver: its states are exact, and each answer is one evaluation.  Any other model is run with
    ``solver``, which asks once a step, at the state where the step begins; so the answers cost nothing beyond the run.

    Raises:
        ValueError: for a teacher that is stochastic, or that asks more than once a step.
    """
    if solver.stochastic or solver.evaluations_per_step != 1:
        raise ValueError(
            f"a teacher is deterministic and asks once a step, so that its answers belong to its states; {type(solver).__name__} does "
            "not. Use UniPC() or IPNDM()"
        )
    listening = _Listening(model)
    if hasattr(model, "flow"):
        states = model.flow(noise, float(times[0]), times)
        with torch.no_grad():
            for x, t in zip(states[:-1], times.tolist(), strict=False):
                listening.data(x, t)
    else:
        states = solve(listening, noise, times, solver, trajectory=True).xs
    return Teacher(tuple(times.tolist()), states, torch.stack(listening.heard), listening.calls)


class _Listening(Counted):
    """A model whose answers are written down, as data predictions."""

    __slots__ = ("cost", "heard")

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.cost, self.heard = getattr(model, "cost", 1), []

    def _heard(self, face: str, x: Tensor, t: float, out: Tensor) -> Tensor:
        self.heard.append(out if face == "data" else combine(conversion(self.schedule, face, "data", t), x, out))
        return out

    def data(self, x: Tensor, t) -> Tensor:
        """Ask, and write down."""
        return self._heard("data", x, t, super().data(x, t))

    def noise(self, x: Tensor, t) -> Tensor:
        """Ask, and write down."""
        return self._heard("noise", x, t, super().noise(x, t))

    def score(self, x: Tensor, t) -> Tensor:
        """Ask, and write down."""
        return self._heard("score", x, t, super().score(x, t))

    def velocity(self, x: Tensor, t) -> Tensor:
        """Ask, and write down."""
        return self._heard("velocity", x, t, super().velocity(x, t))
