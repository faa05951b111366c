"""SA-Solver: Adams methods for the reverse SDE, with a corrector that reuses the noise of its predictor.

With noise of strength tau the exact solution over a step, for a known answer m(lambda), is (data face)

    x_s = e^(-tau^2 h) (sigma_s / sigma_t) x_t + (1 + tau^2) sigma_s e^(-tau^2 lambda_s) INT e^((1 + tau^2) lambda) m(lambda) dlambda
          + sigma_s sqrt(1 - e^(-2 tau^2 h)) z

and the answer is replaced by the polynomial through ``predictor`` past answers, then by the one through ``corrector`` answers of which
the newest is the one at s.  tau = 0 is the probability flow, tau = 1 the SDE of DDPM; tau may be switched on in an interval of times.

The law of a sample has weak order 2 at best where tau > 0: the noise of a step enters the answers all at once, not spread over the step.

Book: ``solvers/sa_solver``.  Paper: ``xue2023sasolver``.
"""

import math
from dataclasses import dataclass
from numbers import Real

from workbench.solvers.exponential import Face, check_face
from workbench.solvers.interpolated import Variant
from workbench.solvers.multistep import check_order
from workbench.solvers.predictor_corrector import PredictorCorrector


@dataclass(frozen=True)
class SASolver(PredictorCorrector):
    """Stochastic Adams predictor and corrector, one evaluation a step.

    Args:
        predictor: points of the predictor, 1 to 4.
        corrector: points of the corrector, the new one included, 1 to 4; 0 for none.
        tau: strength of the noise, or (low, high, tau): that strength in steps that start at low <= t <= high, none elsewhere.
        face: the answer that is interpolated; "data" is the one to use where tau > 0.
        published: with two points replace phi_2 by 1/2, as the public code does for runs of few steps (data face).
        final_order: points of the last planned prediction, or None.

    Raises:
        ValueError: for another number of points, a negative or infinite tau, an empty interval, another face, published noise.
    """

    predictor: int = 3
    corrector: int = 4
    tau: float | tuple[float, float, float] = 1.0
    face: Face = "data"
    published: bool = False
    final_order: int | None = None
    paper = "xue2023sasolver"
    other_names = ("SA-Solver", "SASolverScheduler")

    def __post_init__(self) -> None:
        check_face(self.face)
        check_order(self.predictor, (1, 2, 3, 4), self.final_order, "the predictor of SASolver")
        check_order(self.corrector, (0, 1, 2, 3, 4), None, "the corrector of SASolver")
        parts = self.tau if isinstance(self.tau, tuple) else (0.0, 1.0, self.tau)
        numbers = all(isinstance(part, Real) and not isinstance(part, bool) and math.isfinite(part) for part in parts)
        if len(parts) != 3 or not numbers or parts[2] < 0 or not parts[0] < parts[1]:
            raise ValueError(f"tau is a number >= 0 or (low, high, tau) with low < high, got {self.tau!r}")
        if self.published and self.face != "data":
            raise ValueError("the published replacement is one of the data face; take face='data' or published=False")

    @property
    def order(self) -> int:
        """Points of the predictor."""
        return self.predictor

    @property
    def stochastic(self) -> bool:
        """Whether any step may draw noise."""
        return self._strength > 0

    @property
    def global_order(self) -> int:
        """min(predictor + 1, corrector) for the flow, or the predictor's alone; the weak order where there is noise: at most 2."""
        order = min(self.predictor + 1, self.corrector) if self.corrector else self.predictor
        return min(2, order) if self.stochastic else order

    @property
    def corrector_points(self) -> int:
        """The new answer and the old ones."""
        return self.corrector

    @property
    def variant(self) -> Variant:
        """What is done with two points."""
        return "B1" if self.published else "varying"

    @property
    def _strength(self) -> float:
        return self.tau[2] if isinstance(self.tau, tuple) else self.tau

    def tau_at(self, t: float) -> float:
        """Inside the interval its strength, outside 0."""
        inside = not isinstance(self.tau, tuple) or self.tau[0] <= t <= self.tau[1]
        return float(self._strength) if inside else 0.0
