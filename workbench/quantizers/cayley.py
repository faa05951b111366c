"""A rotation that is learned and stays one: Cayley's step on the orthogonal matrices."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.quantizers.hadamard import hadamard, turned
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.straight_through import straight_through


def cayley_step(rotation: Float[Tensor, "n n"], gradient: Float[Tensor, "n n"], rate: float) -> Float[Tensor, "n n"]:
    """Return (I - rate/2 Y)^-1 (I + rate/2 Y) R with the skew Y = R G^T - G R^T, G the gradient of a loss at R: downhill, and orthogonal.

    For skew Y the two factors commute and the transpose of one is the other, so their quotient is orthogonal for every rate.  To first
    order in the rate the loss changes by -rate/2 ||G R^T - R G^T||^2.  Computed in float64.

    Raises:
        ValueError: for a gradient that is not finite.
    """
    if not bool(gradient.isfinite().all()):
        raise ValueError("the gradient has NaN or infinite entries; look at the loss, or take a smaller rate")
    r, g = rotation.double(), gradient.double()
    y = r @ g.T - g @ r.T
    half, one = rate / 2 * y, torch.eye(len(r), dtype=torch.float64, device=r.device)
    return torch.linalg.solve(one - half, (one + half) @ r).to(rotation)


def learned_rotation(
    x: Float[Tensor, "samples channels"],
    weight: Float[Tensor, "outputs channels"],
    activations: Quantizer,
    weights: Quantizer,
    size: int,
    steps: int = 50,
    rate: float = 0.3,
) -> Float[Tensor, "size size"]:
    """Return the rotation R of blocks that makes ||Q(x R) Q(W R)^T - x W^T|| small (``liu2025spinquant``).

    Starts from the Hadamard matrix and descends by Cayley steps, each of ``rate`` radians at first and ever smaller, with gradients straight
    through the rounding.  The best R on the way is returned, so on ``x`` it is never worse than the start.

    Raises:
        ValueError: for fewer than no steps, quantizers that round by chance, or a size as :func:`hadamard` refuses.
    """
    if steps < 0 or {activations.rounding, weights.rounding} != {"nearest"}:
        raise ValueError(f"steps={steps}; give at least 0, and quantizers that round to nearest")
    exact, rotation = x @ weight.T, hadamard(torch.eye(size, dtype=x.dtype), size)
    best, least = rotation, float("inf")
    for k in range(steps + 1):
        r = rotation.clone().requires_grad_()
        rough = straight_through(turned(x, r), activations) @ straight_through(turned(weight, r), weights).T
        loss = (rough - exact).square().mean()
        if (error := float(loss.detach())) < least:
            best, least = rotation, error
        (gradient,) = torch.autograd.grad(loss, r)
        size_of_turn = (rotation @ gradient.T - gradient @ rotation.T).norm()
        if k == steps or not size_of_turn > 0:
            break
        rotation = cayley_step(rotation, gradient / size_of_turn, rate * (1 - k / steps))
    return best


def check_orthogonal(matrix: Tensor, channels: int) -> int:
    """The side of an orthogonal matrix for blocks of ``channels``.

    Raises:
        ValueError: for a matrix that is none, or does not fit.
    """
    size = len(matrix)
    if matrix.shape != (size, size) or channels % size:
        raise ValueError(f"a matrix {tuple(matrix.shape)} cannot turn blocks of {channels} channels; its side must divide them")
    off = float((matrix.double() @ matrix.double().T - torch.eye(size, dtype=torch.float64)).abs().max())
    if not off < 1e-4:
        raise ValueError(
            f"this matrix is off orthogonal by {off:.1e}, and would change the function; take Cayley steps, or a QR factor"
        )
    return size
