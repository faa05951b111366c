"""Feature statistics of named sets of images as a file: means, and one triangle of each covariance, in float32."""

from collections.abc import Mapping

import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors

from workbench.artifacts.manifest import ArtifactError
from workbench.metrics.frechet import FeatureStatistics


def pack(sets: Mapping[str, FeatureStatistics]) -> bytes:
    """Return the statistics of each set as safetensors."""
    tensors = {}
    for name, one in sets.items():
        rows, columns = torch.tril_indices(len(one.mean), len(one.mean))
        tensors[f"{name}/mean"] = one.mean.float()
        tensors[f"{name}/covariance"] = one.covariance[rows, columns].float()
        tensors[f"{name}/count"] = torch.tensor([one.count])
    return save_safetensors(tensors)


def unpack(content: bytes) -> dict[str, FeatureStatistics]:
    """Return what :func:`pack` wrote, in float64. Raises ``ArtifactError`` if ``content`` is something else."""
    try:
        tensors = load_safetensors(content)
        names = sorted({key.rpartition("/")[0] for key in tensors})
        return {name: _one(*(tensors[f"{name}/{part}"] for part in ("mean", "covariance", "count"))) for name in names}
    except Exception as error:
        raise ArtifactError(f"these bytes are not feature statistics in safetensors form: {error}") from error


def _one(mean: torch.Tensor, triangle: torch.Tensor, count: torch.Tensor) -> FeatureStatistics:
    rows, columns = torch.tril_indices(len(mean), len(mean))
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    covariance[rows, columns] = covariance[columns, rows] = triangle.double()
    return FeatureStatistics(mean.double(), covariance, int(count.item()))
