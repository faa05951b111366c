"""How far may the beginning be skipped?  A bound on the error of a jump, before any picture is made."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.gaussian.gaussian import GaussianDenoiser


class SafeSkip(NamedTuple):
    """How many steps of a grid may be skipped, and the predicted error of stopping the jump at each of its times."""

    steps: int
    errors: Tensor


def skip_errors(
    model: Denoiser,
    law: GaussianDenoiser,
    x0: Float[Tensor, "samples *shape"],
    grid: Float[Tensor, "points"],
    *,
    generator: torch.Generator,
    limit: float = math.inf,
) -> Float[Tensor, "points"]:
    r"""The error that a jump from ``grid[0]`` to each time of the grid leaves in the final sample, in units of the data's deviation.

    A jump follows the Gaussian's denoiser G instead of the model's D.  While it does, the path is pushed by (D - G) / rho for each unit
    of rho = sigma / alpha, and a push at rho reaches the data shrunk by sqrt(Lambda / (Lambda + rho^2)) along an eigenvector of
    variance Lambda.  To first order, and by the triangle inequality,

        error(s)  <=  1 / sqrt(tr Sigma)  \int_{rho_s}^{rho_0}  sqrt( E (D - G)^T Sigma (Sigma + rho^2)^-1 (D - G) )  d log rho .

    The integrand is measured at the times of the grid, on x_t = alpha x_0 + sigma eps with the same eps at all times, and taken as a
    power of rho between them, which is what it is at high noise.  The model may be a network, or need none: the
    :class:`~workbench.gaussian.EmpiricalDenoiser` of the data bounds the skip from data alone.

    Args:
        model: what the rest of the grid will be solved with.
        law: the Gaussian that is to replace it; asked on the model's schedule.
        x0: samples of the data (or of the model), to make likely states from.
        grid: decreasing times, as for ``solve``.
        generator: draws the noise.
        limit: stop measuring once the error is beyond this; later entries are infinite.

    Raises:
        ValueError: for a grid that does not decrease, or samples shaped otherwise than the law's.
    """
    if grid.ndim != 1 or len(grid) < 2 or not bool((grid.diff() < 0).all()):
        raise ValueError(f"grid must be decreasing, with at least two times, as from wb.grids; got {grid.tolist()}")
    if x0.shape[1:] != law.shape:
        raise ValueError(f"x0 has shape {tuple(x0.shape)}; the law needs (samples, {', '.join(map(str, law.shape))})")
    schedule, law = model.schedule, law.on(model.schedule)
    eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype, device=generator.device).to(x0.device)
    spread = math.sqrt(float(law.covariance.sum(lambda values: values)))
    total, before, errors = 0.0, None, []
    for t in grid.tolist():
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        if total > limit or sigma == 0:
            errors.append(math.inf if total > limit else total)
            continue
        push = _push(model, law, alpha * x0 + sigma * eps, t) / spread
        now = (math.log(sigma / alpha) if alpha > 0 else math.inf, push)
        total += 0.0 if before is None or math.isinf(before[0]) else (before[0] - now[0]) * _mean_of_power(before[1], push)
        before = now
        errors.append(total)
    return torch.tensor(errors, dtype=torch.float64)


def safe_skip(
    model: Denoiser,
    law: GaussianDenoiser,
    x0: Float[Tensor, "samples *shape"],
    grid: Float[Tensor, "points"],
    tolerance: float = 0.01,
    *,
    generator: torch.Generator,
) -> SafeSkip:
    """The most steps of ``grid`` that :func:`teleport` may replace, if the final sample may be off by ``tolerance``.

        k = wb.gaussian.safe_skip(model, law, x0, grid, generator=rng).steps
        x = wb.gaussian.teleport(law, noise, grid[0], grid[k])
        run = wb.solve(model, x, grid[k:], solver)

    See :func:`skip_errors` for the bound and the arguments.  It is of first order: it does not see that near the border between two
    modes a small push may change the outcome.

    Args:
        model, law, x0, grid, generator: as for :func:`skip_errors`.
        tolerance: in units of the data's standard deviation; 0.01 is one percent of the contrast of a picture.

    Raises:
        ValueError: for a tolerance that is not positive; and as :func:`skip_errors`.
    """
    if not 0 < tolerance < math.inf:
        raise ValueError(f"tolerance must be positive, got {tolerance}; 0.01 allows one percent of the data's standard deviation")
    errors = skip_errors(model, law, x0, grid, generator=generator, limit=tolerance)
    allowed = (errors[:-1] <= tolerance).nonzero()
    return SafeSkip(int(allowed[-1]), errors)


@torch.no_grad()
def _push(model: Denoiser, law: GaussianDenoiser, x: Tensor, t: float) -> float:
    """sqrt E (D - G)^T Sigma (Sigma + rho^2)^-1 (D - G); at alpha = 0 both know only the mean, and nothing is pushed."""
    alpha, sigma = law.schedule.alpha(t), law.schedule.sigma(t)
    gap = (model.data(x, t) - law.data(x, t)).flatten(1).to(torch.float64)
    shrunk = law.covariance.quadratic(lambda v: torch.where(v == 0, 0.0, alpha**2 * v / (alpha**2 * v + sigma**2)), gap)
    return math.sqrt(float(shrunk.mean()))


def _mean_of_power(a: float, b: float) -> float:
    """The mean over log rho of a power of rho that is a at one end and b at the other: the logarithmic mean."""
    if min(a, b) <= 0:
        return (a + b) / 2
    ratio = math.log(b / a)
    return a if abs(ratio) < 1e-9 else a * math.expm1(ratio) / ratio
