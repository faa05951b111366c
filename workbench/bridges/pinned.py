"""What every bridge schedule offers: where the origin moves, and the ordinary schedule that is left.

    x_t = a_t x_T + b_t x_0 + c_t z,        y_t = (x_t - a_t x_T) / n_t = alpha_t x_0 + sigma_t z

The end point x_T is known throughout, so taking a_t x_T away costs nothing, and what is left is noised data like any other.  The
size n_t is a choice of units that no solver in lambda or rho feels.  Book: ``solvers/bridges``.
"""

import math
from abc import abstractmethod
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Time, as_time, per_sample
from workbench.schedules import Schedule


class Pinned(Schedule):
    """A schedule of y_t = (x_t - a_t x_T) / n_t, with alpha = b / n and sigma = c / n.

    ``alpha``, ``sigma``, ``log_snr`` and the rest are those of y_t: a model on this schedule is asked at y_t, and knows x_T because it
    has been bound to it (``model.given(end)``).
    """

    @abstractmethod
    def _end_weight(self, t, m: ModuleType):
        """a_t; ``m`` is ``math`` for a float and ``torch`` for a tensor."""

    @abstractmethod
    def _size(self, t, m: ModuleType):
        """n_t."""

    def coefficients(self, t: float | int | Tensor):
        """(a, b, c) of x_t = a x_T + b x_0 + c z at time t: floats for a float, float64 tensors for a tensor."""
        size = self._evaluate("_size", t)
        return self._evaluate("_end_weight", t), size * self.alpha(t), size * self.sigma(t)

    def shifted(self, x: Float[Tensor, "batch *shape"], end: Float[Tensor, "batch *shape"], t: Time) -> Tensor:
        """y_t = (x_t - a_t x_T) / n_t.

        Raises:
            ValueError: where n_t = 0: all bridges stand on their end points there, and x_t says nothing about y_t.
        """
        check_ends(x, end)
        a, size = self._weights(x, t)
        if not (bool((size > 0).all()) if isinstance(size, Tensor) else size > 0):
            raise ValueError(f"at t = {t} every bridge stands on its end point; ask before t_max = {self.t_max}")
        return (x - per_sample(a, x) * end) / per_sample(size, x)

    def placed(self, y: Float[Tensor, "batch *shape"], end: Float[Tensor, "batch *shape"], t: Time) -> Tensor:
        """x_t = a_t x_T + n_t y_t."""
        check_ends(y, end)
        a, size = self._weights(y, t)
        return per_sample(a, y) * end + per_sample(size, y) * y

    def _weights(self, x: Tensor, t: Time):
        t = as_time(t, len(x))
        return self._evaluate("_end_weight", t), self._evaluate("_size", t)


def check_ends(x: Tensor, end: Tensor) -> None:
    """Raise ValueError unless there is one end point for each sample, of its shape."""
    if x.shape != end.shape:
        raise ValueError(
            f"got states {tuple(x.shape)} and end points {tuple(end.shape)}; each sample needs an end point of its shape"
        )


def root(value, m: ModuleType):
    """sqrt, of 0 where rounding has left less."""
    return math.sqrt(max(value, 0.0)) if m is math else torch.sqrt(value.clamp(min=0))
