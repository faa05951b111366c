"""Equal shares of the error for every step: the density of the best grid, from derivatives along the path."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule
from workbench.search.placing.carrying import Carry, carried, check_carry
from workbench.search.placing.teacher import Teacher


@dataclass(frozen=True)
class ErrorDensity:
    """The grid on which every step has the same share of the error, to leading order.

    A step of length h in lambda, taken by a method of order p in the data face, errs by a constant times  C(lambda) h^(p + 1)  with
    C = alpha |d^p data / d lambda^p|,  what is left of it at the end of the path.  The sum over the steps is least when the number of steps per unit of
    lambda is proportional to  C^(1 / (p + 1)).  C is estimated from the teacher's answers.

    Args:
        order: p; None is the solver's.  Derivatives of high order need smooth answers.
        carry: as in :class:`DynamicProgramming`.
        floor: the least density, as a fraction of its mean, so that no region is left without steps where the estimate is zero.
            Derivatives below the rounding of the answers count as zero; if all do, steps are equal in lambda.

    Raises:
        ValueError: for an order below 1, another carry, or a floor outside [0, 1).
    """

    order: int | None = None
    carry: Carry = "spread"
    floor: float = 1e-3
    paper: ClassVar[str] = "deboor1973splines"
    name: ClassVar[str] = "error density"

    def __post_init__(self) -> None:
        if self.order is not None and (not isinstance(self.order, int) or isinstance(self.order, bool) or self.order < 1):
            raise ValueError(f"order={self.order!r}; it needs to be a whole number from 1 on, or None for the solver's")
        if not 0 <= self.floor < 1:
            raise ValueError(f"floor={self.floor}; it is a fraction of the mean density, from 0 to below 1")
        check_carry(self.carry)

    def density(
        self, teacher: Teacher, schedule: Schedule, order: float
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points"]]:
        """lambda of the candidates with a finite one, and the number of steps per unit of lambda, up to a factor.

        Raises:
            ValueError: for fewer candidates than the derivative needs.
        """
        p = round(order) if self.order is None else self.order
        inside = [k for k, t in enumerate(teacher.times[:-1]) if schedule.alpha(t) > 0]
        if len(inside) <= p + 1:
            raise ValueError(
                f"a derivative of order {p} needs more than {p + 1} candidates with a finite log-SNR, got {len(inside)}"
            )
        clock = torch.tensor([schedule.log_snr(teacher.times[k]) for k in inside], dtype=torch.float64)
        change = torch.stack([teacher.answers[k] for k in inside]).double()
        for _ in range(p):
            (change,) = torch.gradient(change, spacing=(clock,), dim=0, edge_order=2)
        gap = float((clock[-1] - clock[0]) / (len(clock) - 1))
        noise = 10 * torch.finfo(teacher.answers.dtype).eps * float(teacher.answers.abs().max()) / gap**p
        sizes = torch.stack(
            [
                _size(schedule.alpha(teacher.times[k]) * _left(part, teacher, k, self.carry))
                for k, part in zip(inside, change.where(change.abs() > noise, 0.0), strict=True)
            ]
        )
        density = sizes ** (1 / (p + 1))
        if teacher.times[-1] > 0:
            clock = torch.cat([clock, torch.tensor([schedule.log_snr(teacher.times[-1])], dtype=torch.float64)])
            density = torch.cat([density, density[-1:]])
        mean = float(torch.trapezoid(density, clock) / (clock[-1] - clock[0]))
        return clock, density.clamp(min=self.floor * mean) if mean > 0 else torch.ones_like(density)

    def place(self, teacher: Teacher, schedule: Schedule, n: int, order: float) -> list[float]:
        """The times: quantiles of the density.  At a singular end the outermost one gives way to the end itself."""
        quantiles = equal_shares(*self.density(teacher, schedule, order), n)
        inner = schedule.inverse_log_snr(quantiles[1:-1]).tolist()
        return [teacher.times[0], *inner, teacher.times[-1]]


def _left(change: Tensor, teacher: Teacher, place: int, carry: Carry) -> Tensor:
    return carried(change[None].to(teacher.states), teacher, place, carry).double()


def _size(values: Tensor) -> Tensor:
    return values.square().mean().sqrt()


def equal_shares(clock: Float[Tensor, "points"], density: Float[Tensor, "points"], n: int) -> Float[Tensor, "shares_and_one"]:
    """n + 1 places between the ends of ``clock``, with the same integral of the (piecewise linear) ``density`` between any two neighbors.

    Raises:
        ValueError: for a clock that does not rise, a density that is not positive, or n < 1.
    """
    if n < 1 or len(clock) < 2 or clock.shape != density.shape or not bool((clock.diff() > 0).all()):
        raise ValueError(f"needs n >= 1 and a density at two or more rising places, got n={n} and {len(clock)} places")
    if not bool((density > 0).all() and density.isfinite().all()):
        raise ValueError("the density needs to be positive and finite; give ErrorDensity a floor")
    total = torch.cat([torch.zeros(1, dtype=torch.float64), torch.cumulative_trapezoid(density, clock)])
    wanted = torch.linspace(0, float(total[-1]), n + 1, dtype=torch.float64)[1:-1]
    cell = torch.searchsorted(total, wanted).clamp(1, len(total) - 1) - 1
    left, right, width = density[cell], density[cell + 1], clock[cell + 1] - clock[cell]
    slope, rest = (right - left) / width, wanted - total[cell]
    root = (left.square() + 2 * slope * rest).clamp(min=0).sqrt()
    inner = clock[cell] + 2 * rest / (left + root)
    return torch.cat([clock[:1], inner, clock[-1:]])
