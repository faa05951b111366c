"""The few directions in which a matrix is largest: kept as they are, they leave a rest that is easier to round."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.quantizers.quantizer import Quantizer, checked


def low_rank(matrix: Float[Tensor, "rows columns"], rank: int) -> tuple[Float[Tensor, "rows rank"], Float[Tensor, "rank columns"]]:
    """(up, down) with up @ down the best approximation of rank ``rank``; the roots of the singular values go to either side.

    No matrix of that rank is nearer (``eckart1936approximation``): the squared error is the sum of the other singular values squared.

    Raises:
        ValueError: for a rank below 1 or above the smaller side, NaN, or infinity.
    """
    if not 1 <= rank <= min(matrix.shape):
        raise ValueError(f"rank={rank}; a matrix {tuple(matrix.shape)} has branches of rank 1 to {min(matrix.shape)}")
    tall = len(matrix) > matrix.shape[1]
    wide = checked(matrix).double().T if tall else checked(matrix).double()
    # leading singular vectors of the shorter side: quicker than all of them
    u = torch.linalg.eigh(wide @ wide.T)[1].flip(1)[:, :rank]
    v = u.T @ wide
    root = v.norm(dim=1, keepdim=True).sqrt()
    up, down = u * root.T, v / root.clamp(min=torch.finfo(torch.float64).tiny)
    up, down = (down.T, up.T) if tall else (up, down)
    return up.to(matrix), down.to(matrix)


def refined_low_rank(
    matrix: Float[Tensor, "rows columns"], rank: int, quantizer: Quantizer, rounds: int = 100
) -> tuple[Float[Tensor, "rows rank"], Float[Tensor, "rank columns"]]:
    """(up, down) for the rest as it will be *rounded*:  L <- best of rank r for W - Q(R),  R <- W - L, in turns.

    Starts from :func:`low_rank` and stops as soon as ||W - L - Q(R)|| no longer falls, so it is never worse than the start.

    Raises:
        ValueError: for fewer than no rounds, a quantizer that rounds by chance, or as :func:`low_rank`.
    """
    if rounds < 0 or quantizer.rounding != "nearest":
        raise ValueError(
            f"rounds={rounds}, rounding={quantizer.rounding!r}; give at least 0 rounds and a quantizer that rounds to nearest"
        )

    def lost(branch: tuple[Tensor, Tensor]) -> tuple[Tensor, float]:
        rest = matrix - branch[0] @ branch[1]
        rounded = quantizer.simulate(rest)
        return rounded, float((rest - rounded).norm())

    best = low_rank(matrix, rank)
    rounded, least = lost(best)
    for _ in range(rounds):
        branch = low_rank(matrix - rounded, rank)
        rounded, error = lost(branch)
        if not error < least:
            break
        best, least = branch, error
    return best
