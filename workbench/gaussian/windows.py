"""Cutting images into patches, and which places of an image are alike: what a local rule sees near a border."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Windows:
    """The patches of images of one size.

    A window reaches ``before`` pixels back and ``after`` forward in both axes.  ``pools`` are the sets of places that are told apart by
    nothing but what they see.
    """

    shape: tuple[int, ...]
    before: int
    after: int
    padding: str
    inside: Bool[Tensor, "places window"]
    """Which pixels of the window at each place lie in the image."""
    pools: tuple[Int[Tensor, " some"], ...]

    @property
    def places(self) -> int:
        """How many pixels an image has."""
        return len(self.inside)

    @property
    def entries(self) -> int:
        """How many numbers the patches of one image hold."""
        return self.shape[0] * self.inside.numel()

    @property
    def middle(self) -> list[int]:
        """The entries of a patch that hold the center pixel, one a channel."""
        side = self.before + self.after + 1
        return [channel * side**2 + self.before * side + self.before for channel in range(self.shape[0])]

    def cut(self, images: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n places entries"]:
        """The patch around every pixel, row by row; zeros outside of the image unless the padding is circular."""
        margin = (self.before, self.after) * 2
        padded = functional.pad(images, margin, mode="circular") if self.padding == "circular" else functional.pad(images, margin)
        return functional.unfold(padded, self.before + self.after + 1).transpose(1, 2)


@lru_cache(maxsize=32)
def windows(shape: tuple[int, ...], side: int, padding: str, equivariant: bool) -> Windows:
    """The windows of side ``side`` around the pixels of images of ``shape``, (channels, height, width).

    A circular window is never larger than the image: one that has gone around would see pixels twice.

    Raises:
        ValueError: for a circular window that covers one axis of an image that is not square, and not the other.
    """
    _, height, width = shape
    if padding == "circular" and side > min(height, width):
        if height != width:
            raise ValueError(
                f"a circular patch of side {side} does not fit in {height} x {width}; take at most {min(height, width)}"
            )
        side = height
    before = side // 2
    after = side - 1 - before
    rows, columns = (torch.arange(n)[:, None] + torch.arange(-before, after + 1) for n in (height, width))
    if padding == "circular":
        seen = torch.ones(height * width, side * side, dtype=torch.bool)
    else:
        high, wide = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        seen = (high[:, None, :, None] & wide[None, :, None, :]).reshape(height * width, side * side)
    if not equivariant:
        pools = tuple(torch.arange(height * width).split(1))
    else:
        _, kind = seen.unique(dim=0, return_inverse=True)
        pools = tuple((kind == k).nonzero()[:, 0] for k in range(int(kind.max()) + 1))
    return Windows(tuple(shape), before, after, padding, seen, pools)
