"""Mean and variance of a whole run in closed form: on a Gaussian law every solver is an affine map of its start and its draws."""

import torch


def propagate(solver, model, grid, mean: float, variance: float) -> tuple[float, float]:
    """Mean and variance after all steps, for a start of N(mean, variance) and a model whose answers are affine in x.

    Then the last state is b + a x + sum_k c_k z_k, whatever the method remembers between its steps.  One run of a batch reads all of
    that off: sample 0 starts at 0 and is given no noise, sample 1 starts at 1, sample 2 + k starts at 0 and sees the k-th draw alone.
    """
    rows = solver.plan(model.schedule, grid)
    zero, asked = torch.zeros(1, 1, dtype=torch.float64), []
    run(solver, model, rows, zero, lambda like: asked.append(1) or torch.zeros_like(like))
    units, seen = torch.eye(2 + len(asked), dtype=torch.float64), iter(range(2, 2 + len(asked)))
    x = run(solver, model, rows, units[1][:, None].clone(), lambda like: units[next(seen)][:, None].clone())[:, 0]
    slope, fresh = (x[1] - x[0]).item(), x[2:] - x[0]
    return slope * mean + x[0].item(), slope**2 * variance + fresh.square().sum().item()


def run(solver, model, rows, x, draw) -> torch.Tensor:
    """All steps, each given the memory of the one before and ``draw`` for its noise."""
    memory = None
    for row in rows:
        x, memory = solver.step(model, x, row, memory, draw)
    return x
