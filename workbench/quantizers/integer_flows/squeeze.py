"""Four neighbors become four channels: how a picture is split into parts that can predict each other."""

from jaxtyping import Shaped
from torch import Tensor


def squeeze(x: Shaped[Tensor, "n c h w"]) -> Shaped[Tensor, "n c4 h2 w2"]:
    """(n, c, 2h, 2w) -> (n, 4c, h, w): each 2 x 2 square of pixels becomes 4 channels, phase after phase.

    Channel f c + k of the result is phase f of channel k; the phases are upper left, upper right, lower left and lower right.

    Raises:
        ValueError: for an odd height or width.
    """
    n, c, height, width = x.shape
    if height % 2 or width % 2:
        raise ValueError(f"a picture of {height} x {width} cannot be cut into squares of 2 x 2; give even sides")
    parts = x.reshape(n, c, height // 2, 2, width // 2, 2)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, height // 2, width // 2)


def unsqueeze(x: Shaped[Tensor, "n c4 h2 w2"]) -> Shaped[Tensor, "n c h w"]:
    """The inverse of :func:`squeeze`.

    Raises:
        ValueError: for a number of channels that 4 does not divide.
    """
    n, c, height, width = x.shape
    if c % 4:
        raise ValueError(f"{c} channels are no four phases; give a multiple of 4")
    parts = x.reshape(n, 2, 2, c // 4, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(n, c // 4, 2 * height, 2 * width)
