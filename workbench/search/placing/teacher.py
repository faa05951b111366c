"""A teacher: one long run that writes down where it was, and what the model answered there."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, Time, combine, conversion
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
    return Teacher(tuple(times.tolist()), states, torch.stack(listening.heard), len(listening.heard))


class _Listening(Denoiser):
    """A model whose answers are written down, as data predictions."""

    def __init__(self, model: Denoiser) -> None:
        self.model, self.schedule, self.predicts = model, model.schedule, model.predicts
        self.cost, self.heard = getattr(model, "cost", 1), []

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """The native face."""
        return self.face(self.predicts, x, t)

    def face(self, target: str, x: Tensor, t: Time) -> Tensor:
        """Ask the model, and write its answer down."""
        out = self.model.face(target, x, t)
        self.heard.append(out if target == "data" else combine(conversion(self.schedule, target, "data", t), x, out))
        return out
