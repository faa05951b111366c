"""A finite set of small color images as a file: exact, and smaller than its pixels.

Two reversible steps bring neighbors together before zlib does the rest: red and blue are stored as differences from green, and each
pixel as its difference from what the pixel to the left, the one above and the one between them predict, left + above - corner.
All differences are modulo 256, so nothing is lost and nothing grows.
"""

import zlib
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from workbench.artifacts.manifest import ArtifactError


@dataclass(frozen=True, eq=False)
class StandIns:
    """Images that stand in for a data set: samples of the package's own network, and no photographs."""

    images: UInt8[Tensor, "n 3 height width"]
    """The pixels; k stands for k / 127.5 - 1."""
    labels: Int64[Tensor, " n"]
    """The class each was asked for."""
    names: tuple[str, ...]
    """The names of the classes."""
    summary: str
    """Which network drew them, and how."""

    def __len__(self) -> int:
        return len(self.images)


def pack(images: UInt8[Tensor, "n 3 height width"], labels: Int64[Tensor, " n"]) -> bytes:
    """Return images and labels as safetensors; :func:`unpack` gives back every bit."""
    red, green, blue = images.unbind(1)
    planes = torch.stack([green, red - green, blue - green])
    residual = _across(_across(planes, 3), 2)
    compressed = zlib.compress(residual.contiguous().numpy().tobytes(), 9)
    return save_safetensors(
        {
            "pixels": torch.frombuffer(bytearray(compressed), dtype=torch.uint8),
            "labels": labels.to(torch.uint8),
            "shape": torch.tensor(images.shape),
        }
    )


def unpack(content: bytes, names: tuple[str, ...], summary: str) -> StandIns:
    """Return what ``pack`` wrote. Raises ``ArtifactError`` if ``content`` is something else."""
    try:
        tensors = load_safetensors(content)
        n, channels, height, width = tensors["shape"].tolist()
        raw = zlib.decompress(tensors["pixels"].numpy().tobytes())
        residual = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(channels, n, height, width)
        planes = residual.cumsum(2, dtype=torch.uint8).cumsum(3, dtype=torch.uint8)
        images = torch.stack([planes[1] + planes[0], planes[0], planes[2] + planes[0]], 1)
        return StandIns(images, tensors["labels"].long(), tuple(names), summary)
    except Exception as error:
        raise ArtifactError(f"these bytes are no images in safetensors form: {error}") from error


def _across(planes: Tensor, axis: int) -> Tensor:
    """Differences along an axis, modulo 256; the first entry stays."""
    return torch.cat([planes.narrow(axis, 0, 1), planes.diff(dim=axis)], axis)
