"""The numbers of a multistep run as variables: times that stay in order, and a triangle of weights that keeps a constant answer exact.

Times: with steps h_i > 0 in lambda, lambda_{i+1} = lambda_i + h_i and h = (total) softmax(a).  Both ends stay; on a grid that ends at 0 the
last positive time is free, between the last but one and a little cleaner than given.

Weights: x_{i+1} = a_i x_i + sum_j w_ij m_j with a_i from the exact solution and sum_j w_ij from the same, so that a point of data is still
reached in one step.  The older answers' weights move freely, the newest one's makes up the sum: N (N - 1) / 2 numbers for N steps.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.schedules import Schedule
from workbench.solvers.multistep import Multistep, Weights
from workbench.solvers.tabulated import Tabulated, unrolled

SLACK = 0.1  # of an average step: how much cleaner than given the last positive time of a grid with a finish at 0 may become


class Plan(torch.autograd.Function):
    """The rows of a solver as a function of lambda at the planned times; its derivatives by central differences of plans.

    A plan is arithmetic on a few floats, so two plans for each time cost less than one evaluation of a network, and any solver will do.
    """

    @staticmethod
    def forward(ctx, clocks: Tensor, rows: Callable[[list[float]], Tensor]) -> Tensor:
        """(N, N + 1): the weight of the state, then those of the answers, newest first."""
        ctx.clocks, ctx.rows = clocks.detach().clone(), rows
        return rows(clocks.tolist())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        """The product with the Jacobian."""
        out = torch.zeros_like(ctx.clocks)
        for k in range(len(out)):
            step = 1e-5 * torch.eye(len(out), dtype=out.dtype)[k]
            ahead, behind = (ctx.rows((ctx.clocks + sign * step).tolist()) for sign in (1, -1))
            out[k] = (grad * (ahead - behind)).sum() / 2e-5
        return out, None


class Triangle:
    """Times and weights of a run with N planned steps, as functions of two vectors of numbers that begin at 0.

    Args:
        schedule: the noise schedule.
        solver: where to begin.
        planned: the N + 1 planned times.
        finish: whether the run ends at 0, so that the last planned time may move.
        times, weights: what is free.
    """

    def __init__(self, schedule: Schedule, solver: Multistep, planned: Tensor, finish: bool, times: bool, weights: bool) -> None:
        self.schedule, self.solver, self.planned, self.steps = schedule, solver, planned.tolist(), len(planned) - 1
        self.free_times, self.free_weights = times, weights
        clocks = torch.tensor([schedule.log_snr(t) for t in self.planned], dtype=torch.float64)
        gaps = clocks.diff()
        self.first, self.given = clocks[:1], clocks
        gaps = torch.cat([gaps, SLACK * gaps.mean()[None]]) if finish else gaps
        self.total, self.shares = gaps.sum(), (gaps / gaps.sum()).log()
        self.place = torch.tril_indices(self.steps, self.steps, -1)
        self.fixed = self.rows(clocks.tolist())

    def start(self) -> list[Tensor]:
        """The variables, all 0: the shares of the steps, and the weights of the older answers."""
        free = []
        if self.free_times:
            free.append(torch.zeros(len(self.shares), dtype=torch.float64, requires_grad=True))
        if self.free_weights:
            free.append(torch.zeros(self.place.shape[1], dtype=torch.float64, requires_grad=True))
        return free

    def clocks(self, free: list[Tensor]) -> Tensor:
        """lambda at the planned times."""
        if not self.free_times:
            return self.given
        steps = self.total * (self.shares + free[0]).softmax(0)
        return torch.cat([self.first, self.first + steps.cumsum(0)[: self.steps]])

    def times(self, clocks: Tensor) -> list[float | Tensor]:
        """The planned times: floats where they are given, tensors where they are free."""
        if not self.free_times:
            return list(self.planned)
        return [self.planned[0], *self.schedule.inverse_log_snr(clocks[1:])]

    def table(self, clocks: Tensor, free: list[Tensor]) -> Tensor:
        """(N, N + 1): every row's weight of the state, then of the answers, newest first."""
        table = Plan.apply(clocks, self.rows) if self.free_times else self.fixed
        if not self.free_weights:
            return table
        moved = torch.zeros(self.steps, self.steps, dtype=torch.float64).index_put(tuple(self.place), free[-1])  # [i, j - 1]
        moved = moved * table[:, 1:].sum(1, keepdim=True)
        change = torch.cat([torch.zeros(self.steps, 1, dtype=torch.float64), -moved.sum(1, keepdim=True), moved[:, :-1]], 1)
        return table + change

    def rows(self, clocks: list[float]) -> Tensor:
        """The solver's own table at these values of lambda."""
        times = [self.planned[0], *(self.schedule.inverse_log_snr(clock) for clock in clocks[1:])]
        if clocks == self.given.tolist():
            times = self.planned
        table = torch.zeros(self.steps, self.steps + 1, dtype=torch.float64)
        for i, row in enumerate(unrolled(self.solver.plan(self.schedule, torch.tensor(times, dtype=torch.float64)))):
            table[i, : 1 + len(row.past)] = torch.tensor((row.x, *row.past), dtype=torch.float64)
        return table

    def solver_of(self, free: list[Tensor]) -> tuple[Tabulated, list[float]]:
        """The table as a solver, and its planned times."""
        with torch.no_grad():
            clocks = self.clocks(free)
            times, table = [float(t) for t in self.times(clocks)], self.table(clocks, free).tolist()
        rows = tuple(Weights(t, row[0], tuple(row[1 : i + 2])) for i, (t, row) in enumerate(zip(times, table, strict=False)))
        return Tabulated(tuple(times), rows, self.solver.face), times
