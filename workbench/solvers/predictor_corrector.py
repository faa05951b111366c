"""Predict, evaluate, correct: a second formula of higher order, at no further evaluation.

A step to s is taken twice from the same base point x_t with the same noise:

    predict:  x~_s = a x_t + sum_j w_j m_j + b z             from the answers at t and before
    correct:  x_s  = a x_t + c m~ + sum_j c_j m_j + b z      with the new answer m~ = m(x~_s, s), which the next step needs anyway

(PEC: the model is not asked again at the corrected state.)  Base point and noise are the same in both, so x_s = x~_s + c m~ +
sum_j (c_j - w_j) m_j: a corrector adds a multiple of what the predictor had not foreseen.  Put into the next prediction,

    x~_next = a' x~_s + (a' c + w'_0) m~ + sum_j (a' (c_j - w_j) + w'_{j+1}) m_j + b' z',

it leaves a multistep formula with one more answer, and that is how it is run: the state between the steps is always the prediction,
the last one is not corrected, and only answers are remembered.

Book: ``solvers/predictor_corrector``.  Paper: ``zhao2023unipc``.
"""

from itertools import pairwise, zip_longest

from workbench.solvers.interpolated import Variant, interpolated
from workbench.solvers.multistep import Multistep, Weights, ramp


class PredictorCorrector(Multistep):
    """Base of the predictor-corrector methods in lambda; a subclass says how many points each half uses.

    The states that ``solve`` yields (``Solution.xs``, callbacks) are predictions.
    """

    variant: Variant = "varying"

    @property
    def predictor_points(self) -> int:
        """How many answers an ordinary prediction combines."""
        return int(self.order)

    @property
    def corrector_points(self) -> int:
        """How many answers an ordinary correction combines, the new one included; 0 for no correction."""
        return self.predictor_points + 1

    @property
    def points(self) -> int:
        """How many answers an ordinary step combines, once the correction before it has been merged into it."""
        return max(self.predictor_points + bool(self.corrector_points), self.corrector_points)

    def points_at(self, i: int, steps: int) -> int:
        """How many answers the prediction of step ``i`` (from 0) of ``steps`` combines."""
        return ramp(self.predictor_points, i, steps, self.final_order)

    def corrector_points_at(self, i: int, steps: int) -> int:
        """How many answers the correction of step ``i`` combines: as a prediction's, and the new one."""
        return ramp(self.corrector_points, i + 1, steps + 2, self.final_order)

    def tau_at(self, t: float) -> float:
        """Strength of the noise in a step that starts at t."""
        return 0.0

    def weights(self, schedule, past, s) -> Weights:
        """The prediction of the state at ``s`` from the answers at the times ``past``, newest first."""
        return interpolated(schedule, past[0], s, past, self.face, self.tau_at(past[0]), self.variant)

    def corrected(self, schedule, past, s, points: int) -> Weights:
        """The correction of the state at ``s`` from so many answers, the one at ``s`` itself first."""
        return interpolated(schedule, past[0], s, (s, *past)[:points], self.face, self.tau_at(past[0]), self.variant)

    def plan(self, schedule, grid) -> list[Weights]:
        """Every row: the correction of the step before and the prediction of the next, merged."""
        times, rows, surprise = grid.tolist(), [], ()
        steps = len(times) - 1
        for i, (_, s) in enumerate(pairwise(times)):
            seen = times[i::-1]
            predict = self.weights(schedule, seen[: self.points_at(i, steps)], s)
            merged = tuple(w + predict.x * c for w, c in zip_longest(predict.past, surprise, fillvalue=0.0))
            rows.append(predict._replace(past=merged))
            surprise = self._surprise(schedule, seen, s, predict, self.corrector_points_at(i, steps))
        return rows

    def _surprise(self, schedule, seen, s, predict: Weights, points: int) -> tuple[float, ...]:
        """What the correction adds to the prediction: weights of the answer at ``s`` and of those before; none without points."""
        if not points:
            return ()
        correct = self.corrected(schedule, seen, s, points)
        return tuple(c - w for c, w in zip_longest(correct.past, (0.0, *predict.past), fillvalue=0.0))
