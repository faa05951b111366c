"""One step of DC-Solver as a function of its ratio: where the corrected state comes to lie."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.search.teacher import distance
from workbench.solvers.dc_solver import DCSolver


class Step:
    """Step i of a run whose earlier ratios are settled.

    The prediction at t_{i+1} is the plain one plus w_0 (m~ - m), linear in what is kept; the model is asked there, and the correction
    with its answer (at the last step: the finish at 0, if there is one) is compared with the teacher.
    """

    def __init__(
        self,
        model: Denoiser,
        solver: DCSolver,
        times: Sequence[float],
        i: int,
        x: Tensor,
        answers: Sequence[Tensor],
        after: float | None,
    ):
        schedule, unipc, steps = model.schedule, solver.unipc, len(times) - 1
        self.model, self.solver, self.schedule, self.answers = model, solver, schedule, answers
        self.seen, self.after, self.last = times[i::-1], times[i + 1], i + 1 == steps
        self.to_zero = after == 0 and self.last
        predict = unipc.weights(schedule, self.seen[: unipc.points_at(i, steps)], self.after)
        points = 0 if self.last else unipc.corrector_points_at(i, steps)
        self.surprise = unipc._surprise(schedule, self.seen, self.after, predict, points)
        plan = unipc.plan(schedule, torch.tensor(times, dtype=torch.float64))
        self.plain = plan[i].x * x
        for weight, answer in zip(plan[i].past, answers, strict=False):
            self.plain = self.plain + weight * answer
        self.newest = predict.past[0]

    def kept(self, ratio: float | Tensor) -> Tensor:
        """The answer that is kept."""
        weights = self.solver.kept(self.schedule, self.seen, ratio)
        return sum(self._number(weight) * answer for weight, answer in zip(weights, self.answers, strict=False))

    def predicted(self, ratio: float | Tensor) -> tuple[Tensor, Tensor]:
        """The prediction at the end of the step, and the answer that is kept."""
        kept = self.kept(ratio)
        return self.plain + self.newest * (kept - self.answers[0]), kept

    def judged(self, ratio: float | Tensor, teacher: Tensor, end: Tensor | None) -> tuple[Tensor, int]:
        """The loss of a ratio, and how often the model was asked for it."""
        x, kept = self.predicted(ratio)
        if self.to_zero:
            return distance(self.model.data(x, self.after), end), 1
        if self.last or not self.surprise:
            return distance(x, teacher), 0
        ask = self.model.data if self.solver.face == "data" else self.model.noise
        known = (ask(x, self.after), kept, *self.answers[1:])
        corrected = x
        for weight, answer in zip(self.surprise, known, strict=False):
            corrected = corrected + weight * answer
        return distance(corrected, teacher), 1

    def _number(self, weight: float | Tensor) -> float | Tensor:
        return weight.to(self.answers[0]) if isinstance(weight, Tensor) else weight


def by_gradient(loss: Callable, iterations: int) -> tuple[float, float]:
    """AdamW from 1, rate 0.1, no decay: the ratio of least loss that it meets, and its loss."""
    ratio = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([ratio], lr=0.1, weight_decay=0.0)
    best = (1.0, float("inf"))
    for k in range(iterations):
        with torch.enable_grad():
            value = loss(ratio)
            if value.item() < best[1]:
                best = (ratio.item(), value.item())
            if k + 1 < iterations:
                (ratio.grad,) = torch.autograd.grad(value, ratio)
                optimizer.step()
    return best


def by_golden_section(loss: Callable, iterations: int, low: float = 0.0, high: float = 2.0) -> tuple[float, float]:
    """The interval around the least loss, shrunk to 0.618 of its length by each evaluation; 1 is among those that are tried."""
    golden = (5**0.5 - 1) / 2
    tried = {1.0: float(loss(1.0))}
    inner = [high - golden * (high - low), low + golden * (high - low)]
    for ratio in inner:
        tried[ratio] = float(loss(ratio))
    for _ in range(iterations - 3):
        if tried[inner[0]] <= tried[inner[1]]:
            high, inner = inner[1], [inner[1] - golden * (inner[1] - low), inner[0]]
            new = inner[0]
        else:
            low, inner = inner[0], [inner[1], inner[0] + golden * (high - inner[0])]
            new = inner[1]
        tried[new] = float(loss(new))
    best = min(tried, key=tried.__getitem__)
    return best, tried[best]


def in_closed_form(step: Step, teacher: Tensor) -> list[float]:
    """The ratios at which the *prediction's* squared error, a polynomial in the ratio, has its minima: no evaluation, no iteration."""
    import numpy as np

    powers = min(len(step.answers), step.solver.through)
    places = [1 + k / 2 for k in range(-(powers - 1), powers)]  # 2 (K + 1) - 1 points fix a polynomial of degree 2 K
    values = [float(distance(step.predicted(place)[0], teacher)) for place in places]
    curve = np.polynomial.Polynomial.fit(places, values, 2 * (powers - 1))
    slope, bend = curve.deriv(), curve.deriv(2)
    return [float(root.real) for root in slope.roots() if abs(root.imag) < 1e-9 * (1 + abs(root)) and bend(root.real) > 0]
