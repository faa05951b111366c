"""How much longer a model's noise predictions are on a sampler's states than on true ones: the scale of epsilon scaling, measured."""

from bisect import bisect_left
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.draws import normal


@dataclass(frozen=True)
class NoiseScale:
    """A function of t through (times, values), linear between them and constant beyond.

    Args:
        times: strictly monotone.
        values: k at the times.
        evaluations: what the measurement cost.

    Raises:
        ValueError: for no times, or as many values as times are not.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]
    evaluations: int = 0

    def __post_init__(self) -> None:
        if not self.times or len(self.times) != len(self.values):
            raise ValueError(
                f"got {len(self.times)} times and {len(self.values)} values; needs one value for each of at least one time"
            )

    def __call__(self, t: float) -> float:
        """k(t)."""
        points = sorted(zip(self.times, self.values, strict=True))
        i = bisect_left([time for time, _ in points], t)
        if i in (0, len(points)):
            return points[min(i, len(points) - 1)][1]
        (left, low), (right, high) = points[i - 1], points[i]
        return low + (high - low) * (t - left) / (right - left)


class _Measuring(Denoiser):
    """The model, compared with itself on true states as the sampler passes by."""

    def __init__(self, model: Denoiser, x0: Tensor, noise: Tensor) -> None:
        self.model, self.schedule, self.x0, self.eps = model, model.schedule, x0, noise
        self.predicts, self.found, self.evaluations = "noise", {}, 0

    def predict(self, x: Tensor, t) -> Tensor:
        """The model's noise prediction, as it is."""
        answer, t = self.model.noise(x, t), float(t)
        self.evaluations += 1
        if t not in self.found:
            true = self.model.noise(self.schedule.alpha(t) * self.x0 + self.schedule.sigma(t) * self.eps, t)
            self.evaluations += 1
            self.found[t] = float((answer.double().square().mean() / true.double().square().mean()).sqrt())
        return answer


def measured_scale(model: Denoiser, x0: Tensor, grid, solver, generator: torch.Generator) -> NoiseScale:
    """The ratio of rms noise predictions, sampler's states over true ones, at every time that the solver asks."""
    from workbench.solution import check_state
    from workbench.solve import solve

    check_state(x0)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"the fit draws, and got generator={generator!r}; pass generator=torch.Generator().manual_seed(0)")
    times = torch.as_tensor(grid, dtype=torch.float64)
    noise = normal(x0.shape, generator, x0.dtype, x0.device)
    start = model.schedule.prior(x0.shape, float(times[0]), generator=generator, dtype=x0.dtype, device=x0.device)
    measuring = _Measuring(model, x0, noise)
    with torch.no_grad():
        solve(measuring, start, times, solver, generator=generator)
    found = sorted(measuring.found.items(), reverse=True)
    return NoiseScale(tuple(t for t, _ in found), tuple(k for _, k in found), measuring.evaluations)
