"""Trained networks as denoisers: plain, or borrowed from Hugging Face diffusers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time, check_predicts
from workbench.schedules import DiscreteVP, Rectified, Schedule


def _times(value: float | Tensor, x: Tensor) -> Tensor:
    """The (batch,) tensor of times that networks expect, in the dtype of x, but at least float32: bfloat16 turns 501 into 500."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    if isinstance(value, Tensor):
        return value.to(device=x.device, dtype=dtype)
    return torch.full((len(x),), value, dtype=dtype, device=x.device)


def _checked(out: Any, x: Tensor, net: Any) -> Tensor:
    if not isinstance(out, Tensor):
        raise TypeError(
            f"{type(net).__name__} returned {type(out).__name__}; a network must return one tensor shaped as x: "
            "wrap it (for a diffusers model use wb.from_diffusers)"
        )
    if out.shape != x.shape:
        raise ValueError(
            f"{type(net).__name__} returned shape {tuple(out.shape)} for x of shape {tuple(x.shape)}; they must be equal "
            "(a network that also learns the variance returns twice the channels: split its output)"
        )
    return out


def ask(net: Callable[..., Tensor], shown: Tensor, time: float | Tensor, condition: Any, x: Tensor) -> Tensor:
    """net(shown, times), or net(shown, times, condition) where there is one, checked to be a tensor shaped as ``x``."""
    times = _times(time, x)
    return _checked(net(shown, times) if condition is None else net(shown, times, condition), x, net)


@dataclass(frozen=True)
class NetworkDenoiser(Denoiser):
    """Adapt ``net(x, times)`` or, with a condition, ``net(x, times, condition)``.

    Args:
        net: takes (batch, \\*shape) and a (batch,) tensor of times, returns a tensor shaped as x.
        schedule: the schedule it was trained on.
        predicts: what it predicts: "data", "noise", "score", "velocity" (dx_t/dt), or "v" (alpha eps - sigma x_0).
        time: maps schedule time to what the network takes as time, e.g. ``DiscreteVP.level``; None passes t itself.
        condition: bound by :meth:`given`.

    Raises:
        ValueError, TypeError: for an unknown ``predicts``, or an output that is no tensor or not shaped as x.
    """

    net: Callable[..., Tensor]
    schedule: Schedule
    predicts: str = "noise"
    time: Callable | None = None
    condition: Any = None

    def __post_init__(self) -> None:
        check_predicts(self.predicts)

    def given(self, condition: Any) -> "NetworkDenoiser":
        """The same network with its third argument bound, e.g. to class labels (batch,)."""
        return replace(self, condition=condition)

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """Call the network."""
        t = as_time(t, len(x))
        return ask(self.net, x, t if self.time is None else self.time(t), self.condition, x)


def from_diffusers(unet: Any, scheduler: Any) -> NetworkDenoiser:
    """Adapt a Hugging Face model and the scheduler it was trained with, e.g. ``google/ddpm-cifar10-32``.

    The noise schedule comes from ``scheduler.alphas_cumprod`` (:class:`~workbench.schedules.DiscreteVP`), or is
    :class:`~workbench.schedules.Rectified` for a flow-matching scheduler; the kind of prediction from ``scheduler.config``.

    Raises:
        TypeError: when the scheduler has neither an ``alphas_cumprod`` table nor a flow-matching configuration.
        ValueError: for a kind of prediction that is not known, or a table that ends without signal.
    """
    config = getattr(scheduler, "config", {})
    levels = int(config.get("num_train_timesteps", 1000))
    if hasattr(scheduler, "alphas_cumprod"):
        if float(scheduler.alphas_cumprod[-1]) == 0:
            raise ValueError(
                "this scheduler's last noise level has no signal (zero terminal SNR), where log-SNR is infinite; build "
                "NetworkDenoiser(net, s := DiscreteVP(scheduler.alphas_cumprod[:-1]), predicts=..., time=s.level) by hand"
            )
        schedule, kind = DiscreteVP(scheduler.alphas_cumprod), config.get("prediction_type", "epsilon")
        known = {"epsilon": "noise", "sample": "data", "v_prediction": "v"}
        time = schedule.level
    elif "FlowMatch" in type(scheduler).__name__:
        schedule, kind = Rectified(), config.get("prediction_type", "flow_prediction")
        known = {"flow_prediction": "velocity"}
        time = _Times(float(levels))
    else:
        raise TypeError(
            f"{type(scheduler).__name__} has no alphas_cumprod and is no flow-matching scheduler; "
            "build NetworkDenoiser(net, schedule, predicts=..., time=...) by hand"
        )
    if kind not in known:
        raise ValueError(f"prediction_type {kind!r} is not known; it is one of {', '.join(known)}")
    return NetworkDenoiser(_Sample(unet), schedule, predicts=known[kind], time=time)


@dataclass(frozen=True)
class _Times:
    """t -> factor * t."""

    factor: float

    def __call__(self, t: Float[Tensor, "batch"] | float):
        return self.factor * t


@dataclass(frozen=True)
class _Sample:
    """Call a diffusers model and take its ``sample``; a condition goes in as class labels."""

    unet: Any

    def __call__(self, x: Tensor, times: Tensor, labels: Tensor | None = None) -> Tensor:
        kwargs = {} if labels is None else {"class_labels": labels}
        return self.unet(x, times, **kwargs).sample
