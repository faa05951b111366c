"""Consistency distillation: a function that gives the same end for every point of a path, learned from one step of a teacher.

    f(x, sigma) = c_skip x + c_out F,     f(x, sigma_min) = x exactly,
    loss  d( f(x_t, t),  f_target(x_s, s) ),    x_s one Heun step of the teacher from x_t,  t and s neighbors on a Karras grid.

Nothing says where the end is except the boundary; it travels up the grid, interval by interval, as training goes on.
Book: ``reflow/one_step``.  Paper: ``song2023consistency``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from workbench.denoiser import Denoiser, per_sample
from workbench.grids import karras
from workbench.nets import fit as fit_samples
from workbench.nets.training.flow_matching import Premetric, Squared
from workbench.nets.training.objective import Objective, noisy
from workbench.nets.training.rates import Rate
from workbench.nets.training.trainer import Step
from workbench.preconditioned import Preconditioned, total_variance
from workbench.schedules import VE, Schedule


@dataclass(frozen=True, eq=False)
class ConsistencyFunction(Preconditioned):
    """f(x, sigma) = c_skip x + c_out F(c_in x, log(sigma) / 4): where the path through x ends, in one evaluation.

    With s the standard deviation of the data and m = sigma_min,

        c_skip = s^2 / ((sigma - m)^2 + s^2),   c_out = (sigma - m) s / sqrt(sigma^2 + s^2),   c_in = 1 / sqrt(sigma^2 + s^2),

    so f(x, m) = x to the last bit, for every F.  Its face ``data`` is f, a *sample* at noise level m and not a posterior mean: the
    other faces, and solvers that rely on them, make no sense.  Sample with one evaluation, ``f.data(x, sigma_max)``, or with several:
    ``wb.solve(f, x, [sigma_max, ..., 0], wb.solvers.DDCM(carried=m), generator=rng)``, which noises the answer anew to the next level.
    Paper: ``song2023consistency``.

    Args:
        net: F(x, times[, condition]), as for :class:`~workbench.EDMDenoiser`.
        sigma_data: s, the standard deviation of the data.
        sigma_min: m, the noise level at which the function is the identity.
        schedule: ``VE``, whose time is the noise level.

    Raises:
        ValueError: for a sigma that is not positive, or another schedule.
    """

    net: Callable[..., Tensor]
    sigma_data: float = 0.5
    sigma_min: float = 0.002
    schedule: Schedule = VE()
    condition: Any = None
    paper = "song2023consistency"

    def __post_init__(self) -> None:
        if not (0 < self.sigma_data < torch.inf and 0 < self.sigma_min < torch.inf):
            raise ValueError(f"sigma_data={self.sigma_data}, sigma_min={self.sigma_min}; both need to be positive and finite")
        if not isinstance(self.schedule, VE):
            raise ValueError(
                f"a consistency function lives on VE(), got {type(self.schedule).__name__}; its time is the noise level"
            )

    def base(self, x: Tensor, t: float | Tensor) -> Tensor:
        """c_skip x."""
        return per_sample(self.sigma_data**2 / ((t - self.sigma_min) ** 2 + self.sigma_data**2), x) * x

    def scale(self, t: float | Tensor) -> float | Tensor:
        """c_out."""
        return (t - self.sigma_min) * self.sigma_data / total_variance(self.schedule, t, self.sigma_data) ** 0.5

    def inputs(self, x: Tensor, t: float | Tensor, base: Tensor) -> Tensor:
        """c_in x."""
        return x * per_sample(total_variance(self.schedule, t, self.sigma_data) ** -0.5, x)


@dataclass(frozen=True)
class ConsistencyDistillation(Objective):
    """premetric(f(x_t, t), f_target(x_s, s)),  x_s = one Heun step of the teacher's flow from x_t to the next time s of ``grid``.

    x_t = x_0 + t eps with t drawn evenly from the points of ``grid`` but its last.  No gradient passes through the second argument:
    ``f_target`` is a slow copy of f, which the trainer keeps (``target_halflife``).  The consistency function of the teacher's flow
    has loss 0 up to the error of a Heun step.

    Args:
        teacher: whose flow is distilled: any denoiser, an exact law included.
        grid: decreasing noise levels, the last of them sigma_min.
        premetric: how far two ends are apart, squared by default.
        target_halflife: of the target's weights, in samples; the shorter, the faster and the less steady.
        target: bound by the trainer.

    Raises:
        ValueError: for a grid that is not decreasing to a positive end, or a half-life that is not positive.
    """

    teacher: Denoiser
    grid: Float64[Tensor, "points"]
    premetric: Premetric = field(default_factory=Squared)
    target_halflife: float = 2_000
    target: Denoiser | None = None

    def __post_init__(self) -> None:
        if len(self.grid) < 2 or not bool((self.grid.diff() < 0).all()) or not float(self.grid[-1]) > 0:
            raise ValueError(f"the grid needs two or more decreasing noise levels, all positive, got {self.grid.tolist()}")
        if not self.target_halflife > 0:
            raise ValueError(f"target_halflife={self.target_halflife}; it needs to be positive: a number of samples")

    def check(self, model: Denoiser) -> None:
        """Raise TypeError unless the model is a consistency function, ValueError unless its sigma_min ends the grid."""
        if not isinstance(model, ConsistencyFunction):
            raise TypeError(
                f"only a ConsistencyFunction learns to be consistent, got {type(model).__name__}; wrap the network in one"
            )
        if model.sigma_min != float(self.grid[-1]):
            raise ValueError(
                f"the grid ends at {float(self.grid[-1])} and the function's sigma_min is {model.sigma_min}; make them equal"
            )

    def towards(self, target: Denoiser) -> "ConsistencyDistillation":
        """The same loss, with this slow copy of the model as f_target."""
        return replace(self, target=target)

    def times(self, schedule: Schedule, batch: int, generator: torch.Generator) -> Float64[Tensor, "batch"]:
        """One of the grid's points but the last, each as likely."""
        drawn = torch.randint(len(self.grid) - 1, (batch,), generator=generator, device=generator.device)
        return self.grid.to(generator.device)[drawn]

    def judge(
        self, model: Denoiser, x0: Float[Tensor, "batch *shape"], noise: Float[Tensor, "batch *shape"], t: Float64[Tensor, "batch"]
    ) -> Float[Tensor, "batch"]:
        """The premetric of the two ends of each sample."""
        if self.target is None:
            raise ValueError("this objective has no target yet; the trainer binds it, or do so with objective.towards(model)")
        condition = getattr(model, "condition", None)
        target = self.target if condition is None else self.target.given(condition)
        s = self.grid.to(t)[torch.searchsorted(-self.grid.to(t), -t) + 1]
        x = noisy(model.schedule, x0, noise, t)
        with torch.no_grad():
            goal = target.data(heun_step(self.teacher.on(model.schedule), x, t, s), s)
        return self.premetric(model.data(x, t), goal, x, t)


def heun_step(
    teacher: Denoiser, x: Float[Tensor, "batch *shape"], t: Float64[Tensor, "batch"], s: Float64[Tensor, "batch"]
) -> Float[Tensor, "batch *shape"]:
    """One step of Heun's method from t to s along the teacher's flow, each sample with its own times (``solve`` has one grid for all)."""
    step, slope = per_sample(s - t, x), teacher.velocity(x, t)
    return x + step / 2 * (slope + teacher.velocity(x + step * slope, s))


def distill_consistency(
    net: nn.Module | ConsistencyFunction,
    teacher: Denoiser,
    x0: Float[Tensor, "n *shape"],
    *,
    steps: int,
    generator: torch.Generator,
    intervals: int = 18,
    start: float = 80.0,
    stop: float = 0.002,
    sigma_data: float | None = None,
    premetric: Premetric | None = None,
    target_halflife: float = 2_000,
    batch: int = 512,
    rate: float = 1e-2,
    schedule: Rate | None = None,
    labels: Tensor | None = None,
    drop: float = 0.15,
    halflife: float = 50_000,
    progress: bool = False,
    callback: Callable[[Step, Denoiser], object] | None = None,
) -> ConsistencyFunction:
    """Return the consistency function of the teacher's flow, as far as ``net`` learns it; what is given is left as it is.

        f  = wb.reflow.distill_consistency(wb.nets.MLP(2, generator=rng), law, x0, steps=2000, start=10.0, generator=rng)
        x  = f.data(10.0 * noise, 10.0)                                    # one evaluation

    Args:
        net: a network, or a consistency function to go on from (whose sigma_data and sigma_min are then kept).
        teacher: whose flow is distilled; two evaluations a sample and step.
        x0: samples of the data, at which the paths are looked at.
        steps, generator, batch, rate, schedule, labels, drop, halflife, progress, callback: as for :func:`workbench.nets.fit`.
        intervals: of the Karras grid from ``start`` to ``stop``, the sigma_min.
        sigma_data: by default the root mean square of ``x0``.
        premetric, target_halflife: see :class:`ConsistencyDistillation`.

    Raises:
        ValueError, TypeError: for what cannot be trained, before any work.
        NonFiniteLoss: when training breaks down.
    """
    if not isinstance(teacher, Denoiser):
        raise TypeError(f"the teacher is {type(teacher).__name__}; it needs to be a denoiser, whose flow is distilled")
    model = net
    if not isinstance(net, ConsistencyFunction):
        model = ConsistencyFunction(net, float(x0.double().square().mean().sqrt()) if sigma_data is None else sigma_data, stop)
    grid = karras(model.schedule, intervals, start=start, stop=model.sigma_min)
    objective = ConsistencyDistillation(teacher, grid, premetric or Squared(), target_halflife)
    objective.check(model)
    return fit_samples(
        model, x0, steps=steps, generator=generator, batch=batch, rate=rate, schedule=schedule, objective=objective, labels=labels,
        drop=drop, halflife=halflife, progress=progress, callback=callback,
    )  # fmt: skip
