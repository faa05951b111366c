"""A model of one noise schedule, asked on another."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time, finite, per_sample
from workbench.schedules import Schedule


@dataclass(frozen=True)
class Rescheduled(Denoiser):
    """A model of one schedule asked on another, exactly.

    x_t / alpha_t depends on the schedule only through sigma_t / alpha_t: at the time t' of the model's schedule with the same
    log-SNR, x' = x alpha'_{t'} / alpha_t has the law that the model knows, and data and noise are the same functions.

    Raises:
        ValueError: where the model's schedule never reaches the log-SNR asked for.
    """

    model: Denoiser
    schedule: Schedule

    @property
    def predicts(self) -> str:
        """Data, or noise if that is what the model predicts."""
        return "noise" if self.model.predicts == "noise" else "data"

    @property
    def cost(self) -> int:
        """The cost of the model."""
        return self.model.cost

    def there(self, t: Time):
        """The model's own time t' for t, and the factor x' / x."""
        lam = self.schedule.log_snr(t)
        other = self.model.schedule.inverse_log_snr(lam)
        last = self.model.schedule.t_max
        within = other <= last * (1 + 1e-12)  # rounding at the very end is forgiven
        if not finite(other) or not (bool(within.all()) if isinstance(within, Tensor) else within):
            raise ValueError(
                f"at t = {t} of {type(self.schedule).__name__} the log-SNR is {lam}, below everything that {type(self.model.schedule).__name__} "
                f"of the model reaches (log-SNR {self.model.schedule.log_snr(self.model.schedule.t_first):.3f}); start the grid later, "
                f"at {type(self.schedule).__name__}.inverse_log_snr of that value"
            )
        other = other.clamp(max=last) if isinstance(other, Tensor) else min(other, last)
        return other, _size(self.model.schedule, other) / _size(self.schedule, t)

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """The native face."""
        return self.face(self.predicts, x, t)

    def face(self, target: str, x: Tensor, t: Time) -> Tensor:
        """Data, noise and score straight from the model at its own time, with x rescaled; velocity converted from the native face."""
        if target not in ("data", "noise", "score"):
            return super().face(target, x, t)
        other, factor = self.there(as_time(t, len(x)))
        factor = per_sample(factor, x)
        out = getattr(self.model, target)(factor * x, other)
        return factor * out if target == "score" else out  # a gradient in x, not in x'


def _size(schedule: Schedule, t: float | Tensor) -> float | Tensor:
    """sqrt(alpha^2 + sigma^2), positive at both ends."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    return torch.hypot(alpha, sigma) if isinstance(alpha, Tensor) else math.hypot(alpha, sigma)
