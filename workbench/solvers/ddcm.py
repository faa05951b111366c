"""DDCM: forget the noise altogether, and noise the data prediction anew.

    x_s = alpha_s data + sigma_s z.

It is the step of DDIM with the largest noise that the marginals allow, s_eta = sigma_s (on variance-preserving schedules
s_eta^2 = 1 - alpha_s^2), where no noise prediction is needed any more; the old state enters through its data prediction alone.
Multistep consistency sampling is the same map, with a consistency model's answer as ``data``: there it is exact, because that answer
is a sample.  The posterior mean E[x_0 | x_t] is none.  It varies less than the data and every step replaces the state by it: with an
exact denoiser the method is exact on a point mass, and elsewhere many steps converge to another law (on a Gaussian of variance v to
one of v / 2).  Nor is anything pulled back at low noise, so that a bias of the model adds up step by step.

A consistency model answers with a sample that still carries the noise m = sigma_min of its boundary.  With ``carried`` = m only what
is missing is drawn,  x_s = alpha_s data + sqrt(sigma_s^2 - alpha_s^2 m^2) z, and the law of x_s is exact.

Book: ``solvers/stochastic``.  Papers: ``xu2024infedit``; with a consistency model ``song2023consistency``.
"""

import math
from dataclasses import dataclass

from workbench.solvers.one_look import OneLook, Weights


@dataclass(frozen=True)
class DDCM(OneLook):
    """One evaluation a step, for consistency models and for editing; with a denoiser it has order 0, see above.

    Args:
        carried: the noise level, at alpha = 1, of the model's own answers: sigma_min of a consistency model.

    Raises:
        ValueError: for a level below 0, and on planning a step to less noise than it, other than 0.
    """

    carried: float = 0.0

    stochastic = True
    paper = "xu2024infedit"
    other_names = ("multistep consistency sampling", "sample_lcm")

    @property
    def global_order(self) -> float:
        """0: with the posterior mean, the limit of many steps is not the law of the data."""
        return 0

    def __post_init__(self) -> None:
        if not 0 <= self.carried < math.inf:
            raise ValueError(f"carried={self.carried}; it is a noise level and needs to be finite, 0 or more")

    def weights(self, schedule, t, s) -> Weights:
        """Nothing of the state, all of the prediction, all of the noise."""
        alpha, sigma = schedule.alpha(s), schedule.sigma(s)
        missing = sigma * sigma - (alpha * self.carried) ** 2
        if missing < 0:
            raise ValueError(
                f"the answers carry noise of level {self.carried}, so no step can end at {sigma / alpha}; stop the grid before"
            )
        return Weights(t, 0.0, alpha, math.sqrt(missing) if self.carried else sigma)
