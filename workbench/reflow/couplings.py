"""Which noise belongs to which sample: the joint law that a flow is trained on.

Flow matching draws them independently.  Reflow pairs each noise with the end of its own flow.  Minibatch optimal transport pairs
a batch of data with a batch of noise at the least cost.  Whatever the coupling, the flow it trains has the same laws at its ends.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from workbench.draws import normal
from workbench.reflow.pairs import StoredPairs


@dataclass(frozen=True, eq=False)
class Coupling(ABC):
    """Samples, and a rule that gives each its noise.

    Attributes:
        x0: the data, floats (n, \\*shape), or uint8 pictures.
        labels: (n,) int64 classes, or None.
    """

    x0: Tensor
    labels: Int64[Tensor, "n"] | None = None

    def __post_init__(self) -> None:
        if self.x0.ndim < 2 or len(self.x0) < 1:
            raise ValueError(f"x0 has shape {tuple(self.x0.shape)}; samples (n, *shape) are needed, n at least 1")
        if self.x0.is_floating_point() and not bool(self.x0.isfinite().all()):
            raise ValueError("some samples of x0 are not finite; leave them out before coupling them with noise")

    def __len__(self) -> int:
        return len(self.x0)

    @abstractmethod
    def noise(self, x0: Tensor, rows: Tensor, flipped: Tensor | None, draws: torch.Generator) -> Float[Tensor, "batch *shape"]:
        """The noise of the samples ``x0``: rows ``rows`` of the data, those ``flipped`` left to right already so."""


class Independent(Coupling):
    """Every sample with fresh noise: flow matching (``lipman2023flow``), and the first round of rectified flow."""

    def noise(self, x0: Tensor, rows: Tensor, flipped: Tensor | None, draws: torch.Generator) -> Tensor:
        """Drawn from N(0, I)."""
        return normal(x0.shape, draws, x0.dtype, x0.device)


@dataclass(frozen=True, eq=False)
class Paired(Coupling):
    """Every sample with the noise whose flow ended on it: reflow (``liu2023rectified``).  Flips turn both."""

    partners: Tensor | StoredPairs | None = None

    def noise(self, x0: Tensor, rows: Tensor, flipped: Tensor | None, draws: torch.Generator) -> Tensor:
        """Its own."""
        own = self.partners.noise(rows) if isinstance(self.partners, StoredPairs) else self.partners[rows]
        if flipped is not None:
            own = torch.where(flipped[:, None, None, None], own.flip(-1), own)
        return own.to(x0)


class MinibatchOT(Coupling):
    """The samples of a batch and as many draws of noise, paired at the least total cost |z - x_0|^2 (``tong2024minibatch``).

    Between equally many points of equal weight an optimal plan is a permutation, and the assignment found here is exact.  Over batches
    the coupling keeps both its laws, and its cost falls as they grow; a batch of one is independent.  The time grows about
    as the cube of the batch; from 512 points on it is more than a small network costs.
    """

    def noise(self, x0: Tensor, rows: Tensor, flipped: Tensor | None, draws: torch.Generator) -> Tensor:
        """Drawn from N(0, I), then put in order."""
        from scipy.optimize import linear_sum_assignment

        drawn = normal(x0.shape, draws, x0.dtype, x0.device)
        costs = torch.cdist(drawn.flatten(1).double(), x0.flatten(1).double()).square()  # quicker with the noise as rows
        return drawn[torch.from_numpy(linear_sum_assignment(costs.cpu().numpy())[1]).argsort().to(drawn.device)]


def independent(x0: Tensor, labels: Tensor | None = None) -> Independent:
    """Couple every sample with noise drawn afresh each time it is seen."""
    return Independent(x0, labels)


def minibatch_ot(x0: Tensor, labels: Tensor | None = None) -> MinibatchOT:
    """Couple the samples of every batch with fresh noise at the least total cost."""
    return MinibatchOT(x0, labels)


def paired(x0: Tensor | StoredPairs, noise: Tensor | None = None, labels: Tensor | None = None) -> Paired:
    """Couple every sample with its own noise: tensors of one shape, or pairs that :func:`simulate_pairs` has stored.

    Raises:
        ValueError: for noise of another shape than the samples, or noise beside stored pairs.
    """
    if isinstance(x0, StoredPairs):
        if noise is not None or labels is not None:
            raise ValueError("stored pairs bring their noise and their labels; pass them alone")
        return Paired(x0.ends, x0.labels, x0)
    if noise is None or noise.shape != x0.shape:
        got = "none" if noise is None else tuple(noise.shape)
        raise ValueError(f"got noise {got} for samples {tuple(x0.shape)}; a pair needs both, of one shape")
    return Paired(x0, labels, noise)
