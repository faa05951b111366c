"""Coordinates in which a model's statistics act one by one: pixels, eigenvectors of a covariance, or cosines.

DPM-Solver-v3 multiplies pixel by pixel, which is exact for Gaussians whose covariance is diagonal.  In orthonormal coordinates
c = U^T x nothing else changes (the flow is linear in x and in the model's answer), and a Gaussian is diagonal in its eigenvectors.
This is the book's own extension; the paper has pixels alone.

Book: ``solvers/best_parameterization``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.gaussian.covariance import Covariance, lasting


class Basis(ABC):
    """An orthonormal change of coordinates; subclasses say which."""

    sample: torch.Size
    shape: torch.Size

    @abstractmethod
    def into(self, x: Float[Tensor, "batch *sample"]) -> Float[Tensor, "batch *shape"]:
        """The coordinates of samples."""

    @abstractmethod
    def out(self, c: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *sample"]:
        """The samples with these coordinates."""

    def pooled(self, sums: Float[Tensor, "nodes *shape"]) -> Float[Tensor, "nodes *shape"]:
        """Sums averaged over coordinates that have to share their statistics; all of them may differ by default."""
        return sums

    def _check(self, x: Tensor) -> None:
        if x.shape[1:] != self.sample:
            raise ValueError(f"x has shape {tuple(x.shape)}; this basis needs (batch, {', '.join(map(str, self.sample))})")


class Eigenvectors(Basis):
    """Coordinates U^T x along the columns of ``vectors`` (d, r), then, for r < d, the d entries of what they leave of x.

    With r < d these are r + d numbers, of which the last d share one l and one s: what they leave is treated as one direction.

    Raises:
        ValueError: for vectors that do not fit the sample, or columns not orthonormal to 1e-4.
    """

    def __init__(self, vectors: Float[Tensor, "dim rank"], sample: Sequence[int]) -> None:
        self.sample, dim = torch.Size(sample), math.prod(sample)
        if vectors.ndim != 2 or vectors.shape[0] != dim or vectors.shape[1] > dim:
            raise ValueError(
                f"samples of shape {tuple(sample)} need vectors (r <= {dim} columns of {dim}), got {tuple(vectors.shape)}"
            )
        self.vectors = vectors.detach().to("cpu", torch.float64)
        gap = float((self.vectors.T @ self.vectors - torch.eye(vectors.shape[1], dtype=torch.float64)).abs().max())
        if gap > 1e-4:
            raise ValueError(f"a basis needs orthonormal columns, got |U^T U - I| up to {gap:.3g}; use torch.linalg.qr(vectors).Q")
        self.rank, self.complete = vectors.shape[1], vectors.shape[1] == dim
        self.shape = torch.Size([self.rank if self.complete else self.rank + dim])
        self._casts: dict = {}

    @classmethod
    def of(cls, covariance: Covariance, sample: Sequence[int]) -> "Eigenvectors | None":
        """The eigenvectors of a covariance of flattened samples; None for a diagonal one, whose coordinates are the entries."""
        return None if covariance.vectors is None else cls(covariance.vectors, sample)

    def _like(self, x: Tensor) -> Tensor:
        key = (x.dtype, x.device)
        if key not in self._casts:
            with torch.inference_mode(False):
                self._casts[key] = lasting(self.vectors.to(x))
        return self._casts[key]

    def into(self, x: Tensor) -> Tensor:
        """U^T x, and x - U U^T x where the columns are not all."""
        self._check(x)
        flat, basis = x.flatten(1), self._like(x)
        inside = flat @ basis
        return inside if self.complete else torch.cat([inside, flat - inside @ basis.T], 1)

    def out(self, c: Tensor) -> Tensor:
        """U c, plus what is left."""
        inside, basis = c[:, : self.rank], self._like(c)
        flat = inside @ basis.T
        return (flat if self.complete else flat + c[:, self.rank :]).view(-1, *self.sample)

    def pooled(self, sums: Tensor) -> Tensor:
        """The directions left over share their statistics."""
        if self.complete:
            return sums
        rest = sums[:, self.rank :]
        return torch.cat([sums[:, : self.rank], rest.mean(1, keepdim=True).expand_as(rest)], 1)


class Cosines(Basis):
    """The orthonormal cosine transform (DCT-II) along every axis of a sample: a fixed basis close to the eigenvectors of pictures."""

    def __init__(self, sample: Sequence[int]) -> None:
        self.sample = self.shape = torch.Size(sample)
        if not len(self.sample) or 0 in self.sample:
            raise ValueError(f"a sample needs at least one axis and no empty one, got shape {tuple(sample)}")
        self.matrices = [cosines(n) for n in self.sample]

    def _along(self, x: Tensor, transposed: bool) -> Tensor:
        for axis, matrix in enumerate(self.matrices, 1):
            own = (matrix.T if transposed else matrix).to(x)
            x = (x.movedim(axis, -1) @ own).movedim(-1, axis)
        return x

    def into(self, x: Tensor) -> Tensor:
        """Axis by axis."""
        self._check(x)
        return self._along(x, False)

    def out(self, c: Tensor) -> Tensor:
        """Axis by axis, transposed."""
        return self._along(c, True)


def cosines(n: int) -> Float[Tensor, "n n"]:
    """Column k is sqrt(2 / n) cos(pi (i + 1/2) k / n), column 0 over sqrt(2): an orthonormal matrix, float64."""
    i, k = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    matrix = math.sqrt(2 / n) * torch.cos(math.pi * (i + 0.5) * k / n)
    matrix[:, 0] /= math.sqrt(2)
    return matrix
