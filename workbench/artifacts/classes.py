"""Ten class laws in the space of one: what the classes of a set of images have of their own, small enough to ship.

The classes share a basis, the leading eigenvectors U of all images together (``Moments``), and differ only along it: each has its
own mean U^T mean_k and its own r x r covariance U^T Sigma_k U there.  In every other direction all are what the images are
on average.  So 10 r (r + 1) / 2 numbers of 16 bits are enough, and by the law of total covariance the mixture of the ten has the
mean and the covariance of all images, exactly.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from workbench.artifacts.manifest import ArtifactError

_PARTS = ("frequencies", "means", "deviations", "correlations")
_STEPS = torch.iinfo(torch.int16).max


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """Frequency, mean and covariance of each class in the coordinates U^T x of the leading r eigenvectors of all images."""

    names: tuple[str, ...]
    """The names of the classes."""
    frequencies: Float64[Tensor, " classes"]
    """The share of each class; they sum to 1."""
    means: Float64[Tensor, "classes r"]
    """U^T mean_k."""
    vectors: Float64[Tensor, "classes r r"]
    """Orthonormal eigenvectors of U^T Sigma_k U, in columns."""
    values: Float64[Tensor, "classes r"]
    """Their eigenvalues, decreasing and not negative."""

    @property
    def rank(self) -> int:
        """r, the number of directions in which the classes differ."""
        return self.means.shape[1]

    def covariance(self, k: int) -> Float64[Tensor, "r r"]:
        """U^T Sigma_k U."""
        return self.vectors[k] * self.values[k] @ self.vectors[k].T


def pack(
    frequencies: Float64[Tensor, " classes"],
    means: Float64[Tensor, "classes r"],
    covariances: Float64[Tensor, "classes r r"],
) -> bytes:
    """Return the classes as safetensors: means and standard deviations in float32, one triangle of correlations in 16 bits.

    Rounded like this, the file does not depend on the last digits of float64, and so not on the number of threads.

    Raises ``ValueError`` for a class without variance in some direction.
    """
    deviations = covariances.diagonal(dim1=1, dim2=2).sqrt()
    if not bool((deviations > 0).all()):
        raise ValueError("a class has no variance in some direction; use fewer directions, or more images of it")
    rows, columns = torch.tril_indices(means.shape[1], means.shape[1], -1)
    correlations = (covariances / (deviations[:, :, None] * deviations[:, None]))[:, rows, columns]
    parts = (frequencies, means.float(), deviations.float(), (correlations * _STEPS).round().to(torch.int16))
    return save_safetensors({name: part.contiguous() for name, part in zip(_PARTS, parts, strict=True)})


def unpack(content: bytes, names: tuple[str, ...]) -> ClassMoments:
    """Return the classes that ``pack`` wrote. Raises ``ArtifactError`` if ``content`` is something else."""
    try:
        tensors = load_safetensors(content)
        frequencies, means, deviations = (tensors[name].double() for name in _PARTS[:3])
        triangle = tensors[_PARTS[3]]
        rows, columns = torch.tril_indices(means.shape[1], means.shape[1], -1)
        correlations = torch.diag_embed(torch.ones_like(deviations))
        correlations[:, rows, columns] = correlations[:, columns, rows] = triangle.double() / _STEPS
        values, vectors = torch.linalg.eigh(correlations * deviations[:, :, None] * deviations[:, None])
    except Exception as error:
        raise ArtifactError(f"these bytes are not class moments in safetensors form: {error}") from error
    return ClassMoments(tuple(names), frequencies, means, vectors.flip(2), values.flip(1).clamp(min=0))
