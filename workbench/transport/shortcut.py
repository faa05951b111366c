"""A shortcut in sampling: store latents some steps before the end, carry fresh noise to one of them, and take the last steps only.

Every output of a deterministic sampler is then one of n, those of the stored latents; which of them is drawn is uniform by the equal
masses of the cells, as it would be with an index drawn at random.  New outputs come from blends or from noise in the last steps alone.

Book: ``solvers/optimal_transport_shortcut``.  Paper: ``li2023dpmot`` (with Langevin steps; any solver of the book will do).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.draws import Generators
from workbench.solution import Solution
from workbench.solve import check_grid, solve
from workbench.solvers.base import Solver
from workbench.transport.cells import SemiDiscrete


@dataclass(frozen=True)
class Stored:
    """Latents in the middle of a run.

    Args:
        latents: (n, \\*shape), the states at ``grid[0]``.
        grid: the times that are left.
        evaluations: what it took to get there, for the whole batch.
    """

    latents: Tensor
    grid: Float[Tensor, "points"]
    evaluations: int


def stored_latents(
    model: Denoiser,
    noise: Float[Tensor, "n *shape"],
    grid: Float[Tensor, "points"] | Sequence[float],
    solver: Solver,
    *,
    last: int,
    generator: Generators | None = None,
) -> Stored:
    """Run ``solver`` on all but the ``last`` steps of ``grid``, and keep where it arrives.

    Args:
        model, noise, grid, solver, generator: as for :func:`workbench.solve`.
        last: how many steps to leave, at least 1 and fewer than all.

    Raises:
        ValueError: for another number of steps to leave.
    """
    times = check_grid(grid, model.schedule, solver)
    if isinstance(last, bool) or not isinstance(last, int) or not 1 <= last < len(times) - 1:
        raise ValueError(
            f"last is how many of the {len(times) - 1} steps are left for later, at least 1 and fewer than all; got {last!r}"
        )
    run = solve(model, noise, times[:-last], solver, generator=generator)
    return Stored(run.x, torch.tensor(times[-last - 1 :], dtype=torch.float64), int(run.evaluations))


@dataclass(frozen=True, eq=False)
class Shortcut:
    """Fresh noise to a stored latent, then the last steps.

    Args:
        transport: a map whose points are latents at time ``grid[0]``.
        grid: the times that are left.
        k: how many latents are blended, see :meth:`SemiDiscrete.blend`; 1 takes one of them as it is.

    Raises:
        ValueError: for k below 1 or not below the number of latents.
    """

    transport: SemiDiscrete
    grid: Float[Tensor, "points"]
    k: int = 1
    paper = "li2023dpmot"

    def __post_init__(self) -> None:
        self.transport.blend(self.transport.points[:1], self.k)

    def start(self, noise: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """Where the last steps begin, for noise of the law that the map was fitted to."""
        return self.transport.blend(noise, self.k)

    def sample(
        self, model: Denoiser, noise: Float[Tensor, "batch *shape"], solver: Solver, *, generator: Generators | None = None
    ) -> Solution:
        """The last steps from there; the map itself asks for no evaluation."""
        with torch.no_grad():
            return solve(model, self.start(noise), self.grid, solver, generator=generator)
