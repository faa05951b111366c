"""Three numbers that papers call the strength of the noise, and how to turn one into another.

What they all mean is the share f of the new noise variance sigma_s^2 that is drawn afresh in a step of length h in lambda:

    DDIM, ancestral:              f = eta^2 (1 - e^(-2 h))
    SDE-DPM-Solver++ (its eta):   f = 1 - e^(-2 eta h)
    SA-Solver (tau):              f = 1 - e^(-2 tau^2 h)

They agree at 0 and at 1.  Between, a short step has f = 2 eta^2 h, 2 eta h and 2 tau^2 h: in the limit DDIM's eta *is* tau, and the eta
of the SDE solvers is its square.  Over a finite step all three differ, so a conversion depends on the step; on a grid with equal steps
in lambda it is one number for the whole run.

Book: ``solvers/stochastic``.  Papers: ``song2021ddim``, ``lu2022dpmpp``, ``xue2023sasolver``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from workbench.schedules import Schedule


@dataclass(frozen=True)
class NoiseStrength:
    """One way to say how much noise a step draws afresh.

    Attributes:
        name: the solvers that use it, and the letter.
        paper: bib key.
        fraction: (value, h) -> f, the share of sigma_s^2 that is fresh.
        value: (f, h) -> the value that gives this share.
    """

    name: str
    paper: str
    fraction: Callable[[float, float], float]
    value: Callable[[float, float], float]

    def noise_std(self, value: float, schedule: Schedule, t: float, s: float) -> float:
        """Standard deviation of the fresh noise in a step from t to the cleaner time s, when this strength is ``value``.

        Raises:
            ValueError: for a negative value, a step that is not from noise to data, or more noise than sigma_s.
        """
        return schedule.sigma(s) * math.sqrt(self._share(value, _length(schedule, t, s)))

    def convert(self, value: float, other: "NoiseStrength", schedule: Schedule, t: float, s: float) -> float:
        """The value of ``other`` that draws the same noise in the step from t to s as ``value`` does here.

        Raises:
            ValueError: as for :meth:`noise_std`.
        """
        h = _length(schedule, t, s)
        return other.value(self._share(value, h), h)

    def _share(self, value: float, h: float) -> float:
        if not value >= 0:
            raise ValueError(f"the strength of noise is 0 (none) or more, got {value}")
        share = self.fraction(value, h)
        if share > 1:
            raise ValueError(
                f"{self.name} = {value} asks for {share:.3g} times the variance that a step of {h:.3g} in lambda ends with; "
                f"at most {self.value(1.0, h):.4g} here"
            )
        return share


def _length(schedule: Schedule, t: float, s: float) -> float:
    h = schedule.log_snr(s) - schedule.log_snr(t)
    if not 0 < h < math.inf:
        raise ValueError(f"a step goes from noise to data between times with alpha, sigma > 0; got t = {t}, s = {s}")
    return h


def _rate(share: float, h: float) -> float:
    return -math.log1p(-share) / (2 * h) if share < 1 else math.inf


DDIM_ETA = NoiseStrength(
    "eta of DDIM",
    "song2021ddim",
    fraction=lambda eta, h: eta * eta * -math.expm1(-2 * h),
    value=lambda share, h: math.sqrt(share / -math.expm1(-2 * h)),
)
SDE_ETA = NoiseStrength(
    "eta of SDE-DPM-Solver++",
    "lu2022dpmpp",
    fraction=lambda eta, h: -math.expm1(-2 * eta * h),
    value=_rate,
)
TAU = NoiseStrength(
    "tau of SA-Solver",
    "xue2023sasolver",
    fraction=lambda tau, h: -math.expm1(-2 * tau * tau * h),
    value=lambda share, h: math.sqrt(_rate(share, h)),
)
ALL: tuple[NoiseStrength, ...] = (DDIM_ETA, SDE_ETA, TAU)
