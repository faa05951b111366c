"""Statistics as bytes: safetensors with 1 - l, s and b in 16 bits, and the basis they act in.

1 - l and not l, because l comes close to 1 where the noise is large and its distance from 1 is what counts.
"""

import json

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

from workbench.solvers.model_statistics.basis import Basis, Cosines, Eigenvectors
from workbench.solvers.model_statistics.statistics import ModelStatistics


def pack(statistics: ModelStatistics, dtype: torch.dtype = torch.float16) -> bytes:
    """The table as safetensors in ``dtype``; nodes and eigenvectors stay in float64 and float32.

    Raises:
        TypeError: for statistics in closed form, which have no table.
    """
    from workbench.artifacts.networks import written

    if type(statistics) is not ModelStatistics:
        raise TypeError("statistics in closed form have no table to store; give of_gaussian some nodes")
    basis = statistics.basis
    about = {"samples": statistics.samples, "evaluations": statistics.evaluations, "basis": type(basis).__name__}
    tensors = {"nodes": statistics.nodes}
    tensors |= {
        name: value.to(dtype).contiguous() for name, value in (("rest", 1 - statistics.l), ("s", statistics.s), ("b", statistics.b))
    }
    if basis is not None:
        about["sample"] = list(basis.sample)
    if isinstance(basis, Eigenvectors):
        tensors["vectors"] = basis.vectors.to(torch.float32).contiguous()
    return written(tensors, {"about": json.dumps(about)})


def unpack(content: bytes) -> ModelStatistics:
    """What :func:`pack` wrote.

    Raises:
        ArtifactError: for bytes that are something else.
    """
    from workbench.artifacts.manifest import ArtifactError

    try:
        size = int.from_bytes(content[:8], "little")
        about = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["about"])
        tensors = load_safetensors(content)
        basis: Basis | None = None
        if about["basis"] == "Cosines":
            basis = Cosines(about["sample"])
        elif about["basis"] == "Eigenvectors":
            basis = Eigenvectors(tensors["vectors"], about["sample"])
        tables = (1 - tensors["rest"].to(torch.float64), tensors["s"], tensors["b"])
        return ModelStatistics(tensors["nodes"], *tables, basis, about["samples"], about["evaluations"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"these bytes are not model statistics in safetensors form: {error}") from error
