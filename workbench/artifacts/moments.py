"""The mean and covariance of a set of images, small enough to ship: a spectrum and its leading eigenvectors.

Bits go where they matter. An error in a leading eigenvector costs as much as its large eigenvalue, so the first few
hundred columns are stored as 16-bit integers with one scale a column; an error in a later one costs next to nothing, so the
rest are 8-bit. At equal size this keeps two thirds more eigenvectors than 16 bits throughout. Loading multiplies
by the scales and restores orthonormality by a QR factorization, which leaves the accurate leading columns in charge.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from workbench.artifacts.manifest import ArtifactError

_PARTS = ("mean", "spectrum", "leading", "leading_scale", "trailing", "trailing_scale", "count")


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean, all eigenvalues and the leading eigenvectors of the covariance of ``count`` images with pixels in [-1, 1].

    The covariance (divided by ``count``) is ``V diag(spectrum[:rank]) V^T + floor() (I - V V^T)`` up to the choice of
    one floor for all remaining directions; the trace is kept exactly by that floor.
    """

    mean: Float64[Tensor, "channels height width"]
    """The mean image."""
    spectrum: Float64[Tensor, " d"]
    """All eigenvalues of the covariance, decreasing; their sum is the total variance."""
    vectors: Float64[Tensor, "d rank"]
    """Orthonormal leading eigenvectors, in columns."""
    count: int
    """The number of images."""

    @property
    def rank(self) -> int:
        """The number of eigenvectors kept."""
        return self.vectors.shape[1]

    @property
    def values(self) -> Float64[Tensor, " rank"]:
        """The eigenvalues that belong to ``vectors``."""
        return self.spectrum[: self.rank]

    def floor(self, rank: int | None = None) -> float:
        """Return the mean of the eigenvalues after the first ``rank`` (default: all stored), 0 if none remain.

        Raises ``ValueError`` unless ``0 <= rank <= d``.
        """
        rank = self.rank if rank is None else rank
        if not 0 <= rank <= len(self.spectrum):
            raise ValueError(f"rank is {rank}; it must be between 0 and {len(self.spectrum)}, the number of eigenvalues")
        rest = self.spectrum[rank:]
        return rest.mean().item() if len(rest) else 0.0

    def truncated(self, rank: int) -> "Moments":
        """Return the same moments with only the first ``rank`` eigenvectors. Raises ``ValueError`` unless 1 <= rank <= ``self.rank``."""
        if not 1 <= rank <= self.rank:
            raise ValueError(f"rank is {rank}; it must be between 1 and {self.rank}, the number of stored eigenvectors")
        return replace(self, vectors=self.vectors[:, :rank].clone())


def pack(moments: Moments, leading: int) -> bytes:
    """Return ``moments`` as safetensors: the first ``leading`` eigenvectors in 16 bits, the rest in 8."""
    first, first_scale = _to_integers(moments.vectors[:, :leading], torch.int16)
    rest, rest_scale = _to_integers(moments.vectors[:, leading:], torch.int8)
    parts = (moments.mean, moments.spectrum, first, first_scale, rest, rest_scale, torch.tensor([moments.count]))
    return save_safetensors({name: part.contiguous() for name, part in zip(_PARTS, parts, strict=True)})


def unpack(content: bytes) -> Moments:
    """Return the moments that ``pack`` wrote. Raises ``ArtifactError`` if ``content`` is something else."""
    try:
        tensors = load_safetensors(content)
        mean, spectrum, first, first_scale, rest, rest_scale, count = (tensors[name] for name in _PARTS)
    except Exception as error:
        raise ArtifactError(f"these bytes are not moments in safetensors form: {error}") from error
    vectors = orthonormalized(torch.cat([first * first_scale, rest * rest_scale], dim=1))
    return Moments(mean, spectrum, vectors, int(count.item()))


def orthonormalized(columns: Float64[Tensor, "d rank"]) -> Float64[Tensor, "d rank"]:
    """Return the orthonormal Q of ``columns = Q R`` with R's diagonal positive, so that no column changes its sign."""
    q, r = torch.linalg.qr(columns)
    return q.mul_(r.diagonal().sign())  # in place: the largest thing that a page of pictures loads


def _to_integers(columns: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Round each column to integers of ``dtype`` with one scale a column, symmetric around zero."""
    if columns.shape[1] == 0:
        return columns.to(dtype), columns.new_ones(0)
    scale = columns.abs().amax(dim=0) / torch.iinfo(dtype).max
    return (columns / scale).round().to(dtype), scale
