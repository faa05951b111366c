"""One model, four faces: the posterior mean of the data, of the noise, the score, and the velocity.

All four are linear in one another at a given x_t, so a model that predicts one of them predicts them all:

    data     = E[x_0 | x_t]
    noise    = E[eps | x_t]      = (x - alpha data) / sigma
    score    = grad log q_t(x)   = -noise / sigma
    velocity = E[dx_t/dt | x_t]  = alpha' data + sigma' noise

The conversions live in this file and nowhere else.  Book: ``foundations/four_faces``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.schedules import Schedule

Time = float | int | Float[Tensor, ""] | Float[Tensor, "batch"]

FACES = ("data", "noise", "score", "velocity")
SOURCES = (*FACES, "v")  # "v" is alpha eps - sigma x_0 of salimans2022progressive: what some networks predict


def conversion(schedule: Schedule, source: str, target: str, t: Time):
    """The pair (c_x, c_out) with  target = c_x * x + c_out * source  at time t.

    Floats for a float time (remembered by the schedule), float64 tensors of shape (batch,) for a tensor time.

    Raises:
        ValueError: where the conversion divides by zero (noise to data at alpha = 0, data to noise at sigma = 0, ...).
    """
    key = (source, target, t) if not isinstance(t, Tensor) else None
    if key is not None and (known := schedule.memo.get(key)) is not None:
        return known
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    try:
        if {source, target} == {"noise", "score"}:  # no data on the way, so alpha = 0 is no obstacle
            data, noise = None, (0.0 * alpha, 1.0 if source == "noise" else -sigma)
        else:
            data, noise = _posterior_means(schedule, source, t, alpha, sigma)
        if target == "data":
            pair = data
        elif target == "noise":
            pair = noise
        elif target == "score":
            pair = (-noise[0] / sigma, -noise[1] / sigma)
        else:
            speed_data, speed_noise = schedule.d_alpha(t), schedule.d_sigma(t)
            pair = tuple(speed_data * data[i] + speed_noise * noise[i] for i in (0, 1))
        usable = all(finite(part) for part in pair)
    except ZeroDivisionError:
        usable = False
    if not usable:
        raise ValueError(
            f"{target} cannot be computed from {source} at t = {t} of {type(schedule).__name__} (alpha = {alpha}, sigma = {sigma}): "
            "the conversion divides by zero; at sigma = 0 only data is defined, and at alpha = 0 only a model that predicts "
            "data or velocity can be used: start at schedule.t_first or stop at schedule.t_last"
        )
    return pair if key is None else schedule.remember(key, pair)


def finite(value: float | Tensor) -> bool:
    """Whether a float, or every entry of a tensor, is finite."""
    return bool(value.isfinite().all()) if isinstance(value, Tensor) else math.isfinite(value)


def _posterior_means(schedule: Schedule, source: str, t, alpha, sigma):
    """(c_x, c_out) of the data and of the noise, from x and one face; the way to every other face."""
    one, zero = 1.0 + 0 * alpha, 0.0 * alpha
    if source == "data":
        return (zero, one), (1 / sigma, -alpha / sigma)
    if source == "noise":
        return (1 / alpha, -sigma / alpha), (zero, one)
    if source == "score":
        return (1 / alpha, sigma * sigma / alpha), (zero, -sigma)
    if source == "v":
        square = alpha * alpha + sigma * sigma
        return (alpha / square, -sigma / square), (sigma / square, alpha / square)
    speed_data, speed_noise = schedule.d_alpha(t), schedule.d_sigma(t)
    turn = alpha * speed_noise - speed_data * sigma  # > 0 wherever the log-SNR falls
    return (speed_noise / turn, -sigma / turn), (-speed_data / turn, alpha / turn)


def as_time(t: Time, batch: int) -> float | Tensor:
    """A float for a float or a one-element tensor, else the (batch,) float64 tensor; anything else is refused."""
    if isinstance(t, float):
        return t
    if isinstance(t, Tensor):
        if t.ndim == 0:
            return float(t)
        if t.shape != (batch,):
            raise ValueError(f"t has shape {tuple(t.shape)}; it needs to be a float or a ({batch},) tensor, one time per sample")
        return t.to(torch.float64) if t.device.type != "mps" else t.cpu().to(torch.float64)
    return float(t)


def per_sample(value: float | Tensor, x: Tensor) -> float | Tensor:
    """A float as it is; a (batch,) tensor shaped to multiply ``x``, in the dtype and on the device of ``x``."""
    if isinstance(value, Tensor) and value.ndim:
        return value.to(device=x.device, dtype=x.dtype).view(-1, *[1] * (x.ndim - 1))
    return float(value)


def at_least_single(x: Tensor) -> Tensor:
    """float16 and bfloat16 as float32; anything else as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def combine(pair: tuple, x: Tensor, out: Tensor) -> Tensor:
    """c_x * x + c_out * out for a pair of :func:`conversion`, in two passes over memory where they are floats."""
    c_x, c_out = per_sample(pair[0], x), per_sample(pair[1], x)
    if isinstance(c_out, float):
        return (c_x * x).add_(out, alpha=c_out)
    return c_x * x + c_out * out


class Denoiser(ABC):
    """A model of the data, seen through the noise of ``schedule``.

    A subclass implements :meth:`predict`, its native face named by ``predicts``; the other three follow, and the native one is
    never round-tripped.  ``x`` is (batch, \\*shape), ``t`` a float or a (batch,) tensor; every face returns a tensor shaped as x.

    At sigma = 0, ``data`` is x / alpha, and ``velocity`` is alpha' x / alpha where sigma' is finite (eps is independent of x_0,
    so its mean given x_0 is 0); ``noise`` and ``score`` raise ValueError unless the subclass knows the limit.

    Attributes:
        schedule: the noise schedule at whose times the model is asked.
        predicts: the native face: "data", "noise", "score", "velocity" or "v".
        cost: network calls per evaluation.
    """

    schedule: Schedule
    predicts: str = "data"
    cost: int = 1

    @abstractmethod
    def predict(self, x: Tensor, t: Time) -> Tensor:
        """The native face at x_t."""

    def data(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch *shape"]:
        """E[x_0 | x_t]."""
        return self.face("data", x, t)

    def noise(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch *shape"]:
        """E[eps | x_t]."""
        return self.face("noise", x, t)

    def score(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch *shape"]:
        """The gradient of log q_t at x_t."""
        return self.face("score", x, t)

    def velocity(self, x: Float[Tensor, "batch *shape"], t: Time) -> Float[Tensor, "batch *shape"]:
        """E[dx_t/dt | x_t], the right-hand side of the probability-flow ODE."""
        return self.face("velocity", x, t)

    def face(self, target: str, x: Tensor, t: Time) -> Tensor:
        """One face by name, converted from the native one unless it is the native one."""
        if target == self.predicts and isinstance(t, float) and (t or target != "data"):
            return self.predict(x, t)
        if not isinstance(t, float):
            t = as_time(t, len(x))
            if isinstance(t, Tensor) and target in ("data", "velocity") and bool((clean := t == 0).any()):
                return self._partly_at_the_data(target, x, t, clean)
        if target == self.predicts and (target != "data" or not _is_zero(t)):
            return self.predict(x, t)
        if _is_zero(t) and target in ("data", "velocity"):
            return self._at_the_data(target, x, t)
        return combine(conversion(self.schedule, self.predicts, target, t), x, self.predict(x, t))

    def _at_the_data(self, target: str, x: Tensor, t: float) -> Tensor:
        alpha = self.schedule.alpha(t)
        if target == "data":
            return x / alpha
        if not math.isfinite(self.schedule.d_sigma(t)):
            raise ValueError(
                f"the velocity of {type(self.schedule).__name__} is infinite at t = {t}; stop at {self.schedule.t_last}"
            )
        return x * (self.schedule.d_alpha(t) / alpha)

    def _partly_at_the_data(self, target: str, x: Tensor, t: Tensor, clean: Tensor) -> Tensor:
        """A batch in which some samples have t = 0: for those the rule at sigma = 0, for the others the model."""
        noisy = self.face(target, x, torch.where(clean, self.schedule.t_last, t))
        return torch.where(clean.to(x.device).view(-1, *[1] * (x.ndim - 1)), self.face(target, x, 0.0), noisy)

    def given(self, condition: Any) -> "Denoiser":
        """The same model with a condition bound; only models that take one offer it."""
        raise TypeError(f"{type(self).__name__} takes no condition; NetworkDenoiser, EDMDenoiser and Guided do")

    def on(self, schedule: Schedule) -> "Denoiser":
        """The same model asked on another schedule; see :class:`~workbench.rescheduled.Rescheduled`."""
        from workbench.rescheduled import Rescheduled  # a Denoiser itself: it needs this file first

        return self if schedule == self.schedule else Rescheduled(self, schedule)


def _is_zero(t: float | Tensor) -> bool:
    return isinstance(t, float) and t == 0.0


def check_predicts(predicts: str, allowed: Sequence[str] = SOURCES) -> None:
    """Raise ValueError unless ``predicts`` names a face."""
    if predicts not in allowed:
        raise ValueError(f"predicts={predicts!r} is not a prediction; it is one of {', '.join(allowed)}")
