"""A flow from a denoiser, with nothing trained: the exact change of schedule, as a start for the training of a flow."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from workbench.denoiser import Denoiser, Time, as_time, per_sample
from workbench.schedules import Rectified, Schedule

_LINES = Rectified()


@dataclass(frozen=True, eq=False)
class DenoiserFlow(Denoiser):
    """velocity(x_t, t) = (x_t - D) / t, with D the data prediction of a denoiser at the log-SNR of t: see :func:`flow_of`.

    Args:
        model: the denoiser, on its own schedule.
        net: takes the place of the network inside ``model``; training a flow trains it.
    """

    model: Denoiser
    net: Any = None
    schedule: Schedule = _LINES
    predicts = "data"
    paper = "lee2024rfpp"

    @property
    def cost(self) -> int:
        """The cost of the denoiser."""
        return self.model.cost

    def given(self, condition: Any) -> "DenoiserFlow":
        """The same with a condition bound."""
        return replace(self, model=self.model.given(condition))

    @cached_property
    def _inner(self) -> Denoiser:
        own = self.model if self.net is None else replace(self.model, net=self.net)
        return own.on(self.schedule)

    @cached_property
    def _last(self) -> float:
        """The time whose log-SNR is the least that the denoiser knows."""
        known = self.model.schedule
        return float(self.schedule.inverse_log_snr(known.log_snr(known.t_first)))

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """D; later than the denoiser knows, its answer at the last time it knows, to x with noise of the size that belongs there."""
        t = as_time(t, len(x))
        within = t.clamp(max=self._last) if isinstance(t, Tensor) else min(t, self._last)
        size = torch.where(t > within, within / t, 1.0) if isinstance(t, Tensor) else within / t if t > within else 1.0
        return self._inner.data(per_sample(size, x) * x, within)


def flow_of(denoiser: Denoiser) -> DenoiserFlow:
    """A flow from any denoiser, by the exact change of schedule; what ``fit`` and ``rectify`` may start from (``lee2024rfpp``).

        flow = wb.reflow.flow_of(wb.characters.network(wb.schedules.VE()))

    x_t = (1 - t) x_0 + t z has the log-SNR of x_0 + rho z for rho = t / (1 - t), so the denoiser's answer at x_t / (1 - t) is
    E[x_0 | x_t], and velocity = (x_t - E[x_0 | x_t]) / t = E[z - x_0 | x_t].  Near t = 1 a denoiser that ends at a largest noise level,
    t = 80/81 for ``VE()``, is asked there, where the data hardly depend on the state any more; this is the one approximation.

    Args:
        denoiser: on any schedule; with a network in its field ``net`` the flow can be trained.

    Raises:
        TypeError: for what is no denoiser.
    """
    if not isinstance(denoiser, Denoiser):
        raise TypeError(f"flow_of needs a denoiser, got {type(denoiser).__name__}; wrap a network in wb.NetworkDenoiser first")
    return DenoiserFlow(denoiser, getattr(denoiser, "net", None))
