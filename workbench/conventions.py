"""How papers count time and what their networks predict, translated to this package.

Two noisy states with the same lambda = log(alpha / sigma) hold the same information and differ by a factor only, so
lambda is the dictionary: their clock -> lambda -> our clock.  A network's output is a combination of x_0 and eps,

    output = a x_0 + b eps,      x = alpha x_0 + sigma eps      =>      x_0 = (b x - sigma output) / (b alpha - sigma a),

so one line turns any of them into the data prediction that this package exchanges.  Book: the notation page.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from workbench.schedules import VE, VP, Cosine, DiscreteVP, Rectified, Schedule


@dataclass(frozen=True)
class Convention:
    """One paper's clock and prediction target; ``ALL`` lists those on the notation page.

    Attributes:
        name: how the page calls it.
        paper: bib key.
        schedule: our schedule with the same alpha and sigma.
        first, last: the paper's own clock at the noisy and at the clean end.
        time: their clock -> our t.
        clock: our t -> their clock.
        target: (alpha, sigma) -> (a, b) of output = a x_0 + b eps.
    """

    name: str
    paper: str
    schedule: Schedule
    first: float
    last: float
    time: Callable[[float], float]
    clock: Callable[[float], float]
    target: Callable[[float, float], tuple[float, float]]

    def levels(self, u: float) -> tuple[float, float]:
        """(alpha, sigma) at the paper's time ``u``.

        Raises:
            ValueError: for a time outside the paper's range.
        """
        low, high = sorted((self.first, self.last))
        if not low <= u <= high:
            raise ValueError(
                f"{self.name} counts from {self.first:g} (noise) to {self.last:g} (data), got {u}; "
                "convert the time to this convention first"
            )
        t = self.time(u)
        return self.schedule.alpha(t), self.schedule.sigma(t)

    def log_snr(self, u: float) -> float:
        """lambda = log(alpha / sigma) at the paper's time ``u``; infinite where alpha or sigma is 0."""
        alpha, sigma = self.levels(u)
        if alpha == 0:
            return -math.inf
        return math.log(alpha / sigma) if sigma else math.inf

    def at(self, lam: float) -> float:
        """The paper's time at which log(alpha / sigma) equals ``lam``."""
        return self.clock(self.schedule.inverse_log_snr(lam))

    def convert(self, u: float, other: "Convention") -> float:
        """The time in ``other`` with the same noise relative to the data as ``u`` has here."""
        return other.at(self.log_snr(u))

    def data(self, x: Tensor, output: Tensor, u: float) -> Tensor:
        """The data prediction E[x_0 | x] from this paper's state ``x`` and network ``output`` at its time ``u``.

        Raises:
            ValueError: where output and state hold the same combination of data and noise.
        """
        alpha, sigma = self.levels(u)
        a, b = self.target(alpha, sigma)
        determinant = b * alpha - sigma * a
        if determinant == 0:
            raise ValueError(
                f"{self.name}'s output at {u} does not determine the data (alpha = {alpha:g}, sigma = {sigma:g}); "
                "move off this end of the time range"
            )
        return (b * x - sigma * output) / determinant


def _same(u: float) -> float:
    return u


def _reversed(u: float) -> float:
    return 1 - u


def _noise(alpha: float, sigma: float) -> tuple[float, float]:
    return 0.0, 1.0


def _score(alpha: float, sigma: float) -> tuple[float, float]:
    return 0.0, -1 / sigma


_VP = VP()

DDPM = Convention("DDPM", "ho2020ddpm", DiscreteVP.linear(), 1000.0, 1.0, lambda u: u / 1000, lambda t: 1000 * t, _noise)
IMPROVED_DDPM = Convention("Improved DDPM", "nichol2021improved", Cosine(), 1.0, 0.0, _same, _same, _noise)
SCORE_SDE = Convention("Score SDE (VP)", "song2021sde", _VP, 1.0, 1e-5, _same, _same, _score)
DPM_SOLVER = Convention(
    "DPM-Solver", "lu2022dpmsolver", _VP, _VP.log_snr(1.0), _VP.log_snr(1e-5), _VP.inverse_log_snr, _VP.log_snr, _noise
)
EDM = Convention("EDM", "karras2022edm", VE(), 80.0, 0.002, _same, _same, lambda alpha, sigma: (1.0, 0.0))
FLOW_MATCHING = Convention(
    "Flow matching", "lipman2023flow", Rectified(), 0.0, 1.0, _reversed, _reversed, lambda alpha, sigma: (1.0, -1.0)
)
RECTIFIED_FLOW = Convention(
    "Rectified flow", "liu2023rectified", Rectified(), 0.0, 1.0, _reversed, _reversed, lambda alpha, sigma: (1.0, -1.0)
)
STABLE_DIFFUSION_3 = Convention(
    "Stable Diffusion 3", "esser2024sd3", Rectified(), 1.0, 0.0, _same, _same, lambda alpha, sigma: (-1.0, 1.0)
)

ALL = (DDPM, IMPROVED_DDPM, SCORE_SDE, DPM_SOLVER, EDM, FLOW_MATCHING, RECTIFIED_FLOW, STABLE_DIFFUSION_3)
"""Every convention of the notation page, in its order."""
