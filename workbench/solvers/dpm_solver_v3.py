"""DPM-Solver-v3: split off the linear part that leaves the least to extrapolate, and foresee what can be foreseen of the rest.

The statistics say, at every log-SNR, which multiple l of the state to integrate exactly and how the rest f = e - l v moves on average,
f' = s f + b (:mod:`workbench.solvers.model_statistics`).  Data prediction (DPM-Solver++) is l = 1, s = b = 0, noise prediction
(DPM-Solver) l = 0, s = -1, b = 0; orders, steps and corrections are those of the other exponential multistep methods.

What is ours and not the paper's: integrals are not snapped to the nodes of the table, the corrector may use one answer more, the
half-corrector counts steps, and the statistics may act in any orthonormal basis, which makes one step exact on every Gaussian.

Book: ``solvers/best_parameterization``.  Paper: ``zheng2023dpmsolverv3``.
"""

from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from workbench.solvers.model_statistics import ModelStatistics, V3Weights, v3_weights
from workbench.solvers.multistep import check_order
from workbench.solvers.predictor_corrector import PredictorCorrector


class V3Row(NamedTuple):
    """One step in the coordinates of the statistics: f = keep * x + gain * face;  x_s = x * x_t + sum_j past[j] * f_j + constant."""

    t: float
    face: str
    gain: float
    keep: Tensor
    x: Tensor
    past: Tensor
    constant: Tensor
    alpha: float


@dataclass(frozen=True)
class DPMSolverV3(PredictorCorrector):
    """Order p with p answers a prediction, p + 1 with the higher corrector; one evaluation a step.

    Args:
        statistics: of the model, on any schedule: ``ModelStatistics.estimate``, ``.of_gaussian`` or ``.constant``.
        order: p, 1 to 3; orders rise from 1 at the start.
        corrector: "none"; "same", as many answers as the prediction, the new one included (as published); or "higher", one more.
        pseudo_predictor, pseudo_corrector: estimate every derivative from the nearest answers alone.  This calms the method where steps
            are few, and leaves order 2.  The published corrector of pseudo-order is "higher" with ``pseudo_corrector``.
        corrected: which steps the corrector may touch: "all", or only those of the "noisy" or the "clean" half.
        final_order: order of the last planned step, or None; ``solve``'s finish at t = 0 follows it.

    Raises:
        TypeError: for statistics that are none.
        ValueError: for another order, corrector or half, or a final_order below 1.
    """

    statistics: ModelStatistics
    order: int = 3
    corrector: Literal["none", "same", "higher"] = "higher"
    pseudo_predictor: bool = False
    pseudo_corrector: bool = False
    corrected: Literal["all", "noisy", "clean"] = "all"
    final_order: int | None = None
    paper = "zheng2023dpmsolverv3"
    other_names = ("DPM-Solver-v3", "dpm_solver_v3", "DPM_Solver_v3")

    def __post_init__(self) -> None:
        if not isinstance(self.statistics, ModelStatistics):
            raise TypeError(
                f"DPMSolverV3 needs ModelStatistics, got {type(self.statistics).__name__}; measure them with ModelStatistics.estimate(model, "
                "data, generator=...), or take ModelStatistics.of_gaussian(law)"
            )
        check_order(self.order, (1, 2, 3), self.final_order, "DPMSolverV3")
        if self.corrector not in ("none", "same", "higher"):
            raise ValueError(f"corrector must be 'none', 'same' or 'higher', got {self.corrector!r}")
        if self.corrected not in ("all", "noisy", "clean"):
            raise ValueError(f"corrected must be 'all', 'noisy' or 'clean', got {self.corrected!r}")

    @property
    def global_order(self) -> int:
        """That of the corrector where every step has one, at most one more than that of the predictor."""
        predictor = min(self.order, 2) if self.pseudo_predictor else self.order
        if self.corrector == "none" or self.corrected != "all" or self.corrector_points < 2:
            return predictor
        return min(min(self.corrector_points, 2) if self.pseudo_corrector else self.corrector_points, predictor + 1)

    @property
    def corrector_points(self) -> int:
        """How many answers an ordinary correction combines, the new one included."""
        return {"none": 0, "same": self.order, "higher": self.order + 1}[self.corrector]

    def corrector_points_at(self, i: int, steps: int) -> int:
        """As many as the prediction of the step, or one more; none where the half has no corrector, or for one answer alone."""
        late = 2 * i >= steps
        if self.corrector == "none" or (self.corrected == "noisy" and late) or (self.corrected == "clean" and not late):
            return 0
        points = self.points_at(i, steps) + (self.corrector == "higher")
        return points if points > 1 else 0

    def weights(self, schedule, past, s) -> V3Weights:
        """The prediction of the state at ``s`` from the answers at the times ``past``, newest first."""
        return v3_weights(self.statistics, schedule, past, s, len(past), pseudo=self.pseudo_predictor)

    def plan(self, schedule, grid) -> list[V3Row]:
        """Every row: the correction of the step before and the prediction of the next, merged."""
        times, rows, surprise, more = grid.tolist(), [], (), 0.0
        steps = len(times) - 1
        lam = torch.tensor([schedule.log_snr(t) for t in times[:-1]], dtype=torch.float64)
        left = 1 - self.statistics.at(lam).l
        for i, (t, s) in enumerate(pairwise(times)):
            seen, points = times[i::-1], self.corrector_points_at(i, steps)
            predict = self.weights(schedule, seen[: self.points_at(i, steps)], s)
            merged = [w + predict.x * c for w, c in zip_longest(predict.past, surprise, fillvalue=0.0)]
            past = torch.stack(torch.broadcast_tensors(*merged))
            alpha = schedule.alpha(t)
            rows.append(V3Row(t, "data", -1.0, left[i] / alpha, predict.x, past, predict.constant + predict.x * more, alpha))
            surprise, more = (), 0.0
            if points:
                correct = v3_weights(self.statistics, schedule, seen, s, points, corrected=True, pseudo=self.pseudo_corrector)
                surprise = [c - w for c, w in zip_longest(correct.past, (0.0, *predict.past), fillvalue=0.0)]
                more = correct.constant - predict.constant
        return rows

    def in_terms_of(self, predicts, rows, schedule) -> list[V3Row]:
        """f from the noise where the model predicts the noise, without a detour."""
        if predicts != "noise":
            return rows
        return [row._replace(face="noise", gain=schedule.sigma(row.t) / row.alpha, keep=row.keep - 1 / row.alpha) for row in rows]

    def step(self, model, x: Tensor, row: V3Row, memory, draw) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Ask once; then one multiply-add for each answer, in the coordinates of the statistics."""
        basis, face = self.statistics.basis, model.data(x, row.t) if row.face == "data" else model.noise(x, row.t)
        if basis is not None:
            x, face = basis.into(x), basis.into(face)
        now = (row.keep * x).add_(face, alpha=row.gain)
        answers = (now, *memory) if memory else (now,)
        out = row.x * x + row.constant
        for weight, answer in zip(row.past, answers, strict=False):
            out.addcmul_(weight, answer)
        return out if basis is None else basis.out(out), answers[: self.points - 1]
