"""How far pictures are from those they should be, in a unit that means the same for every model."""

from jaxtyping import Float
from torch import Tensor, float64


def relative_error(pictures: Float[Tensor, "batch *shape"], exact: Float[Tensor, "batch *shape"]) -> float:
    """|pictures - exact| / |exact - mean|: the root mean square distance in units of the standard deviation of all exact values.

    0 is perfect, 1 is as bad as one gray for all.  The unit of the scoreboard and of every "error of the nine".

    Raises:
        ValueError: for shapes that differ, or exact pictures that are all one gray or not finite.
    """
    if pictures.shape != exact.shape:
        raise ValueError(
            f"pictures {tuple(pictures.shape)} and exact {tuple(exact.shape)} must have one shape, from the same noise"
        )
    wide = exact.detach().to(float64)
    contrast = float((wide - wide.mean()).square().mean().sqrt())
    if not contrast > 0:
        raise ValueError("the exact pictures are all one gray (or not finite), so there is no unit to measure the error in")
    return float((pictures.detach().to(float64) - wide).square().mean().sqrt()) / contrast
