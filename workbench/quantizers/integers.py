"""Matrix products of whole numbers, exact, by the floating-point product of the machine.

A float32 holds every whole number up to 2^24.  So a float32 product of whole-number matrices is exact, in whatever order it is added up,
as long as no partial sum can be larger: K max|a| max|b| <= 2^24.  Longer sums are cut into such pieces.  On processors without
instructions for small integers this is also the fastest exact way.
"""

import torch
from torch import Tensor

from workbench.quantizers.affine import Affine
from workbench.quantizers.quantizer import Quantized

_EXACT = {torch.float32: 2**24, torch.float64: 2**53}


def exact_depth(largest_a: int, largest_b: int, dtype: torch.dtype = torch.float32) -> int:
    """The most products of numbers up to ``largest_a`` and ``largest_b`` whose sum ``dtype`` holds without rounding."""
    return _EXACT[dtype] // max(largest_a * largest_b, 1)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return a @ b in int64, exactly: (n, k) times (k, m) of whole numbers.

    Raises:
        TypeError: for tensors that are not whole numbers.
        ValueError: for shapes that do not fit, or numbers so large that the sum could leave int64.
    """
    for x in (a, b):
        if x.is_floating_point() or x.dtype == torch.bool:
            raise TypeError(f"got {x.dtype}; this is the product of whole numbers, give codes as integers")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"cannot multiply {tuple(a.shape)} by {tuple(b.shape)}; give (n, k) and (k, m)")
    largest_a, largest_b = _largest(a), _largest(b)
    depth = a.shape[1]
    if depth * largest_a * largest_b >= 2**63:
        raise ValueError(f"{depth} products of numbers up to {largest_a} and {largest_b} could leave 64 bits")
    dtype = torch.float32 if exact_depth(largest_a, largest_b) >= min(depth, 256) else torch.float64
    piece = exact_depth(largest_a, largest_b, dtype)
    if piece == 0:
        return (a.long()[:, :, None] * b.long()[None]).sum(1)
    total = torch.zeros(a.shape[0], b.shape[1], dtype=torch.int64, device=a.device)
    for start in range(0, depth, piece):
        total += (a[:, start : start + piece].to(dtype) @ b[start : start + piece].to(dtype)).long()
    return total


def linear(x: Quantized, weight: Quantized, bias: Tensor | None = None) -> Tensor:
    """x W^T + bias computed from the codes: a whole-number product, then one multiplication by both steps.

    With zero points:  sum_k (q - z)(p - y) = sum q p - z sum p - y sum q + K z y.

    Args:
        x: (n, k), one step for the whole tensor or for each row.
        weight: (m, k), likewise.
        bias: (m,).

    Raises:
        ValueError: for steps that change within a row, which no single multiplication can undo, or levels without an exact 0.
    """
    q, z, s = _row_codes(x, "x")
    p, y, r = _row_codes(weight, "weight")
    total = matmul(q, p.T) - z * p.sum(1) - q.sum(1, keepdim=True) * y.T + q.shape[1] * z * y.T
    out = total.double() * s.double() * r.double().T
    return (out if bias is None else out + bias).to(x.dtype)


def _row_codes(x: Quantized, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (n, k), their zero points and steps (n or 1, 1)."""
    quantizer = x.quantizer
    if not isinstance(quantizer, Affine) or quantizer.zero == "free":
        raise ValueError(f"{name} needs an Affine quantizer with zero='center' or 'integer', got {quantizer}")
    steps = quantizer.steps(x.parts, x.shape)
    if len(x.shape) != 2 or steps.step.shape[1] != 1:
        raise ValueError(
            f"{name} of shape {tuple(x.shape)} has blocks {quantizer.block}; it needs one step for a row: (1, -1) or None"
        )
    zero = torch.zeros_like(steps.step) if steps.zero is None else steps.zero
    return x.codes.long() + steps.low, zero.long(), steps.step


def _largest(x: Tensor) -> int:
    return max(abs(int(x.min())), abs(int(x.max()))) if x.numel() else 0
