"""The paths that grids are judged by: starts, and where they end; drawn, given, or taken from a teacher that has run."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.search.placing.teacher import Teacher, teach
from workbench.solution import check_state
from workbench.solvers.base import Solver


@dataclass(frozen=True, eq=False)
class Path:
    """Where samples start and end, the teacher where one has run, and what it has cost now."""

    noise: Float[Tensor, "batch *shape"]
    truth: Float[Tensor, "batch *shape"]
    teacher: Teacher | None
    paid: int


@dataclass(frozen=True, eq=False)
class Paths:
    """Makes them.

    Args:
        model: whose paths.
        times: the candidates of the teacher, from start to stop.
        solver: of the teacher.
        generator: for noise that is to be drawn.
    """

    model: Denoiser
    times: Float[Tensor, "points"]
    solver: Solver
    generator: torch.Generator | None

    def of(self, given: Tensor | Teacher | None, samples: int, *, full: bool = False, like: Tensor | None = None) -> Path:
        """The paths from ``given``, or from ``samples`` draws.

        Args:
            given: starts, a teacher that has run, or None.
            samples: how many to draw.
            full: whether the states on the way are needed; without, a law with a flow is not asked at all.
            like: starts of the shape and kind to draw.

        Raises:
            TypeError: for starts that are to be drawn without a generator.
            ValueError: for starts of another shape than ``like``, a teacher with other ends, or a model that does not know its shape.
        """
        if isinstance(given, Teacher):
            if (given.times[0], given.times[-1]) != (float(self.times[0]), float(self.times[-1])):
                raise ValueError(f"the teacher ran from {given.times[0]} to {given.times[-1]}; give start and stop the same ends")
            self._check(given.states[0], like)
            return Path(given.states[0], given.states[-1], given, 0)
        noise = self._drawn(samples, like) if given is None else given
        self._check(noise, like)
        if hasattr(self.model, "flow") and not full:
            return Path(noise, self.model.flow(noise, float(self.times[0]), float(self.times[-1])), None, 0)
        teacher = teach(self.model, noise, self.times, self.solver)
        return Path(noise, teacher.states[-1], teacher, teacher.evaluations * len(noise) * getattr(self.model, "cost", 1))

    def _check(self, noise: Any, like: Tensor | None) -> None:
        check_state(noise)
        if like is not None and noise.shape[1:] != like.shape[1:]:
            raise ValueError(f"held_out has samples of shape {tuple(noise.shape[1:])}, and noise {tuple(like.shape[1:])}")

    def _drawn(self, samples: int, like: Tensor | None) -> Tensor:
        if not isinstance(self.generator, torch.Generator):
            raise TypeError(
                f"noise is to be drawn, and got generator={self.generator!r}; pass torch.Generator().manual_seed(0), or noise and held_out"
            )
        shape = getattr(self.model, "shape", None) if like is None else like.shape[1:]
        if shape is None:
            raise ValueError(
                f"{type(self.model).__name__} does not know the shape of a sample; give noise, the states to start from"
            )
        kind = {} if like is None else {"dtype": like.dtype, "device": like.device}
        return self.model.schedule.prior((samples, *shape), float(self.times[0]), generator=self.generator, **kind)
