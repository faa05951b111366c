"""Skip the beginning: jump where the model is still Gaussian, and measure where that is."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from workbench import metrics
from workbench.denoiser import FACES, Denoiser
from workbench.gaussian.law import Law


def teleport(
    law: Law,
    x: Float[Tensor, "batch *shape"],
    t: float | int | Tensor,
    s: float | int | Tensor | Sequence[float | int],
) -> Tensor:
    """Jump from time t to s along the exact probability flow of a Gaussian law, at no network evaluation.

    At high noise a trained network *is* close to the denoiser of N(mean, covariance) of its data, so the first steps of sampling can
    be replaced by one formula:  x_s = teleport(law, x_t, t, s),  then the rest of the same grid with the network.  (On a Karras grid,
    ``wb.grids.karras(schedule, n - k, start=grid[k])`` is that rest.)  :func:`safe_skip` says how far to jump.
    Paper: ``wang2024gaussian``.

    Args:
        law: the Gaussian law of the data, on the schedule of the model: use ``law.on(model.schedule)`` if it is not.  Or one Gaussian
            for each sample, such as ``mixture.given(labels)`` for a model with classes.
        x: the state at t.
        t, s: times of the law's schedule; a grid as s gives the trajectory (points, batch, \\*shape).

    Raises:
        TypeError: for a law whose flow has no closed form, such as a mixture.
        ValueError: as :meth:`GaussianDenoiser.flow`.
    """
    if not hasattr(law, "flow"):
        raise TypeError(
            f"teleport needs a law whose flow is known in closed form, such as a GaussianDenoiser; got {type(law).__name__}: "
            "fit one with wb.gaussian.GaussianDenoiser.fit(x0, schedule), or bind the classes of a mixture with .given(labels)"
        )
    return law.flow(x, t, s)


def explained_variance(
    model: Denoiser, law: Denoiser, x: Float[Tensor, "batch *shape"], t: float | int | Tensor, face: str = "score"
) -> float:
    """:func:`workbench.metrics.explained_variance` of two models over a batch at one noise level.

    1 - E|a - b|^2 / E|a|^2, with a = face of ``model`` and b = face of ``law``.

    1 where the law predicts what the model does; 0 where it is no better than predicting zero; negative where it is worse.  No mean
    is subtracted, so for the score it tends to 1 at high noise whatever the law: plot 1 - EV on a log axis, beside the isotropic law,
    and beside face="data".  The other direction, relative to the law's own size, is ``explained_variance(law, model, ...)``.
    Paper: ``wang2024gaussian``.

    Args:
        model: the reference, e.g. a network.
        law: what is to explain it; asked at the same times, on the model's schedule.
        x: states at time t, e.g. alpha x_0 + sigma eps.
        t: one time of the model's schedule.
        face: "score", "data", "noise" or "velocity".

    Raises:
        ValueError: for an unknown face, a model that predicts exactly 0 everywhere, or a face that is not finite.
    """
    if face not in FACES:
        raise ValueError(f"face={face!r} is not a face of a model; it is one of {', '.join(FACES)}")
    t = float(t)
    with torch.no_grad():
        reference, approximation = getattr(model, face)(x, t), getattr(law.on(model.schedule), face)(x, t)
    if not bool(reference.any()):
        raise ValueError(f"the {face} of the model is 0 for every x at t = {t}, so no fraction of it can be explained")
    return metrics.explained_variance(reference, approximation)
