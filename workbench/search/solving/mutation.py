"""How a solver is changed: times drift, choices are drawn again, and the budget is always spent to the last evaluation."""

import math
from dataclasses import dataclass

import torch

from workbench.search.solving.genome import DIGITS, SolverSpace, State, Step, tidy
from workbench.search.switches import number_of_switches

GAP = 0.05  # the least distance of two times, as a part of the even one


@dataclass(frozen=True)
class SolverMutation:
    """One to three changes: a time moves, all times stretch, or a step changes its face, start, order, estimate, relaxation or corrector.

    An implicit corrector costs an evaluation: who gains one pays with another step, who loses one gets a step.

    Args:
        space: the states.
        drift: how far a time moves, as a part of its distance to the neighbors.
        stretch: by how much (in log) every step may become longer or shorter when all times move.
        walk: standard deviation of a change of relaxation.

    Raises:
        ValueError: for a size that is not positive.
    """

    space: SolverSpace
    drift: float = 0.4
    stretch: float = 0.08
    walk: float = 0.1

    def __post_init__(self) -> None:
        for name in ("drift", "stretch", "walk"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is the size of a change, positive and finite; got {getattr(self, name)!r}")

    def __call__(self, state: State, generator: torch.Generator) -> State:
        """A neighbor; it may be the state itself where nothing can change."""
        places, steps = list(state[0]), list(state[1])
        for _ in range(number_of_switches(generator)):
            if places and _chance(generator) < 0.45:
                places = self._move(places, generator)
            elif steps:
                places, steps = self._change(places, steps, generator)
        return self.space.check((tuple(places), tidy(steps)))

    def _move(self, places: list[float], generator: torch.Generator) -> list[float]:
        edges = [0.0, *places, 1.0]
        if _chance(generator) < 0.5:
            i = _pick(len(places), generator) + 1
            room = max(edges[i + 1] - edges[i], edges[i] - edges[i - 1])
            edges[i] += self.drift * room * _normal(generator)
        else:
            gaps = [(b - a) * math.exp(self.stretch * _normal(generator)) for a, b in zip(edges, edges[1:], strict=False)]
            for i in range(1, len(edges) - 1):
                edges[i] = edges[i - 1] + gaps[i - 1] / sum(gaps)
        return self.apart(edges[1:-1])

    def apart(self, places: list[float]) -> list[float]:
        """Rising places with some distance between them and to the ends that stand still."""
        least = GAP / (len(places) + 1)
        low = 0.0 if self.space.top else least
        high = 1.0 if self.space.stop == 0 else 1.0 - least
        places = sorted(places)
        for i in range(len(places)):
            places[i] = max(places[i], low + i * least, places[i - 1] + least if i else 0.0)
        for i in reversed(range(len(places))):
            last = high - (len(places) - 1 - i) * least
            places[i] = min(places[i], last, places[i + 1] - least if i + 1 < len(places) else 1.0)
        return [round(place, DIGITS) for place in places]

    def _change(self, places: list[float], steps: list[Step], generator: torch.Generator) -> tuple[list[float], list[Step]]:
        i = _pick(len(steps), generator)
        face, start, order, full, relaxation, corrector, after = steps[i]
        kind = _pick(6, generator)
        if kind == 0:
            face = _other(self.space.faces, face, generator)
        elif kind == 1:
            start = _other(self.space.starts, start, generator)
        elif kind == 2:
            order = _other(self.space.orders, order, generator)
        elif kind == 3:
            corrector = _other(self.space.correctors, corrector, generator)
        elif kind == 4 and order > 2:
            full = not full
        elif corrector != "none" and _chance(generator) < 0.4:
            after = self._walked(after, generator)
        else:
            relaxation = self._walked(relaxation, generator)
        before, steps[i] = steps[i][5], (face, start, order, full, relaxation, corrector, after)
        more = (corrector == "implicit") - (before == "implicit")
        if more > 0:
            others = [k for k in range(len(steps)) if k != i and steps[k][5] != "implicit"]
            if not others or not places:
                steps[i] = (face, start, order, full, relaxation, before, after)  # nothing to pay with
            else:
                del steps[others[_pick(len(others), generator)]]
                del places[min(_pick(len(places), generator), len(places) - 1)]
        elif more < 0:
            steps.insert(i, (*steps[i][:5], "none", 0.0))
            edges = [0.0, *places, 1.0]
            k = max(range(len(edges) - 1), key=lambda k: edges[k + 1] - edges[k])
            places = self.apart([*places, (edges[k] + edges[k + 1]) / 2])
        return places, steps

    def _walked(self, relaxation: float | str, generator: torch.Generator) -> float | str:
        if _chance(generator) < 0.2:
            return _other(("B1", "B2", 0.0), relaxation, generator)
        return round((0.0 if isinstance(relaxation, str) else relaxation) + self.walk * _normal(generator), DIGITS)


def _pick(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator, device=generator.device))


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, device=generator.device))


def _normal(generator: torch.Generator) -> float:
    return float(torch.randn((), generator=generator, device=generator.device))


def _other(allowed: tuple, now, generator: torch.Generator):
    """Another one of them, where there is one."""
    rest = [one for one in allowed if one != now]
    return rest[_pick(len(rest), generator)] if rest else now
