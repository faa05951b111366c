"""How much of a sampler's error comes from the model, and how much from the steps."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.draws import Generators


@dataclass(frozen=True)
class ErrorParts:
    """Root mean square distances over the samples, and the angle between the two parts.

    total^2 = discretization^2 + approximation^2 + 2 cosine discretization approximation: with a negative cosine the two kinds of error
    cancel in part, and the total is no measure of either.

    Args:
        total: from the solver's end to where the law's flow ends.
        discretization: from the solver's end to where the model's own flow ends; 0 for an exact solution.
        approximation: from the end of the model's flow to that of the law's; 0 for an exact model.
        cosine: of the angle between the two differences, over all samples; 0 where one of them vanishes.
    """

    total: float
    discretization: float
    approximation: float
    cosine: float


def error_parts(
    model: Denoiser,
    law: Denoiser,
    x: Float[Tensor, "batch *shape"],
    grid: Float[Tensor, "points"],
    solver,
    *,
    generator: Generators | None = None,
    model_end: Float[Tensor, "..."] | None = None,
    law_end: Float[Tensor, "..."] | None = None,
) -> ErrorParts:
    """Split the error of ``solver`` on ``model``, started at x, into discretization and approximation.

        solver(model) - flow(law)  =  (solver(model) - flow(model))  +  (flow(model) - flow(law))

    A flow is that of :func:`flow_end`: in closed form where there is one, else integrated to a tolerance of 1e-9.  Run it on the exact
    law itself (``model=law``) for the control: then all of the error is discretization.

    Args:
        model: what the solver samples.
        law: the exact model of the data, on the same schedule.
        x: states at grid[0], shared by all three; float64 where the parts are small.
        grid: times of the solver's run.
        solver: one of ``wb.solvers``, or one around it.
        generator: for a stochastic solver, whose fresh noise then counts as discretization.
        model_end, law_end: ends of the two flows, where they are known already.

    Raises:
        ValueError: for two schedules, or ends that are not shaped as x.
    """
    from workbench.solve import solve

    if model.schedule != law.schedule:
        raise ValueError(f"model and law need one schedule, got {model.schedule} and {law.schedule}; use model.on(law.schedule)")
    for end in (model_end, law_end):
        if end is not None and end.shape != x.shape:
            raise ValueError(f"an end of shape {tuple(end.shape)} does not belong to states of shape {tuple(x.shape)}")
    start, stop = float(grid[0]), float(grid[-1])
    reached = solve(model, x, grid, solver, generator=generator).x.double()
    of_law = (flow_end(law, x, start, stop) if law_end is None else law_end).double()
    of_model = of_law if model is law else (flow_end(model, x, start, stop) if model_end is None else model_end).double()
    steps, wrong = (reached - of_model).flatten(1), (of_model - of_law).flatten(1)
    sizes = [float(part.square().sum(1).mean().sqrt()) for part in (steps + wrong, steps, wrong)]
    cosine = float((steps * wrong).sum(1).mean()) / (sizes[1] * sizes[2]) if sizes[1] > 0 and sizes[2] > 0 else 0.0
    return ErrorParts(*sizes, min(max(cosine, -1.0), 1.0))


def flow_end(model: Denoiser, x: Float[Tensor, "batch *shape"], start: float, stop: float) -> Float[Tensor, "batch *shape"]:
    """Where the model's probability flow carries x: by its own closed form (``model.flow``), else by ``wb.solvers.reference``."""
    closed = getattr(model, "flow", None)
    if closed is not None:
        return closed(x, start, stop)
    from workbench.solvers import reference

    with torch.no_grad():
        return reference(model, x, start, stop, rtol=1e-9, atol=1e-11).x
