"""Layers with something around them that tames outliers: each computes what the layer inside did before, on numbers easier to round."""

from typing import Any

import torch
from torch import Tensor, nn

from workbench.quantizers.hadamard import hadamard, turned


class Scaled(nn.Module):
    """inner(x / scale), a factor for each input channel."""

    paper = "xiao2023smoothquant"

    def __init__(self, inner: nn.Module, scale: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """The layer on scaled inputs."""
        return self.inner(x / self.scale)


class Rotated(nn.Module):
    """inner(x R) along the input channels, block by block: R is the Hadamard matrix of side ``size``, or ``matrix``."""

    def __init__(self, inner: nn.Module, axis: int, size: int, matrix: Tensor | None = None) -> None:
        super().__init__()
        self.inner, self.axis, self.size = inner, axis, size
        self.register_buffer("matrix", matrix)

    @property
    def paper(self) -> str:
        """Of the fixed rotation, or of the learned one."""
        return "ashkboos2024quarot" if self.matrix is None else "liu2025spinquant"

    def forward(self, x: Tensor) -> Tensor:
        """The layer on rotated inputs."""
        x = x.movedim(self.axis, -1)
        return self.inner((hadamard(x, self.size) if self.matrix is None else turned(x, self.matrix)).movedim(-1, self.axis))


class Branched(nn.Module):
    """inner(x) + up(down(x)): the branch works on the inputs as they come, whatever is done to those of the inner layer."""

    paper = "li2025svdquant"

    def __init__(self, inner: nn.Module, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.options = {name: getattr(inner, name) for name in ("stride", "padding", "dilation")} if down.ndim == 4 else None
        self.register_buffer("down", down)
        self.register_buffer("up", up)

    def forward(self, x: Tensor) -> Tensor:
        """Both parts."""
        if self.options is None:
            return self.inner(x) + (x @ self.down.T) @ self.up.T
        return self.inner(x) + nn.functional.conv2d(nn.functional.conv2d(x, self.down, **self.options), self.up)


Wrapped = Scaled | Rotated | Branched


def said_of(part: Wrapped) -> dict[str, Any]:
    """What is around a layer as plain data; its numbers are in ``state_dict``."""
    about: dict[str, Any] = {"kind": type(part).__name__}
    if isinstance(part, Scaled):
        return about | {"shape": list(part.scale.shape)}
    if isinstance(part, Rotated):
        return about | {"axis": part.axis, "size": part.size, "learned": part.matrix is not None}
    return about | {"down": list(part.down.shape), "up": list(part.up.shape)}


def wrapped_as(inner: nn.Module, said: dict[str, Any]) -> Wrapped:
    """What :func:`said_of` described around ``inner``, with zeros for numbers, to load others into.

    Raises:
        ValueError: for a kind that this version does not know.
    """
    if said["kind"] == "Scaled":
        return Scaled(inner, torch.zeros(said["shape"]))
    if said["kind"] == "Rotated":
        return Rotated(inner, said["axis"], said["size"], torch.zeros(said["size"], said["size"]) if said["learned"] else None)
    if said["kind"] == "Branched":
        return Branched(inner, torch.zeros(said["down"]), torch.zeros(said["up"]))
    raise ValueError(f"{said['kind']!r} around a layer is not known to this version; update the package")
