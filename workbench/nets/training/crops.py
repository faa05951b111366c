"""Pictures shifted by a few pixels and mirrored: the same objects, so the same labels."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import pad

from workbench.data.cifar import to_floats


def crops(
    images: UInt8[Tensor, "n channels side side"], shift: int, generator: torch.Generator
) -> Float[Tensor, "n channels side side"]:
    """Shift each image by up to ``shift`` pixels up, down, left and right (edges mirrored), flip half of them; return floats in [-1, 1].

    Raises:
        ValueError: for a shift below 0 or as large as the image.
    """
    n, _, side, _ = images.shape
    if not 0 <= shift < side:
        raise ValueError(f"shift is {shift}; it must be from 0 to {side - 1}, for images of side {side}")
    corner = torch.randint(2 * shift + 1, (2, n, 1), generator=generator)
    rows, columns = corner + torch.arange(side)
    flip = torch.rand(n, 1, generator=generator) < 0.5
    columns = torch.where(flip, columns.flip(1), columns)
    padded = pad(to_floats(images), (shift,) * 4, mode="reflect")
    cut = padded.permute(0, 2, 3, 1)[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2)
