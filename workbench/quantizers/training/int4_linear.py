"""A linear layer trained with 4-bit numbers: Hadamard and learned steps on the way forward, split and sampled gradients on the way back."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.quantizers import integers
from workbench.quantizers.hadamard import block_size, hadamard
from workbench.quantizers.learned_step import LearnedStep
from workbench.quantizers.training import kept_codes, leverage
from workbench.quantizers.training.draws import Draws
from workbench.quantizers.training.splitting import BASE, Split, split


@dataclass(frozen=True)
class Sampling:
    """How many of the 2 N rows of a split gradient are multiplied, as shares of N, the rows of the batch; 2 keeps all.

    Attributes:
        inputs: for the gradient of the input.
        weight: for that of the weight.

    Raises:
        ValueError: for a share that is not positive.
    """

    inputs: float = 1.0
    weight: float = 2.0

    def __post_init__(self) -> None:
        if not (self.inputs > 0 and self.weight > 0):
            raise ValueError(f"shares are {self.inputs} and {self.weight}; they need to be positive, 2 keeps every row")


class _Int4(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, step_x: Tensor, step_w: Tensor, size: int, sampling: Sampling, generator):
        codes, kept = kept_codes.rounded(hadamard(x, size) / step_x)
        codes_w = kept_codes.rounded(hadamard(weight, size) / step_w)[0]
        ctx.save_for_backward(kept, weight, step_x, step_w)
        ctx.size, ctx.sampling, ctx.generator = size, sampling, generator
        return integers.matmul(codes, codes_w.T) * (step_x * step_w)

    @staticmethod
    def backward(ctx, grad: Tensor):
        kept, weight, step_x, step_w = ctx.saved_tensors
        codes, inside, slope = kept_codes.read(kept)
        codes_w, inside_w, slope_w = kept_codes.read(kept_codes.rounded(hadamard(weight, ctx.size) / step_w)[1])
        pieces = split(grad, ctx.generator)
        to_x = input_gradient(pieces, codes_w, ctx.sampling.inputs, ctx.generator) * step_w
        to_w = weight_gradient(pieces, codes, ctx.sampling.weight, ctx.generator) * step_x
        grad_x, grad_w = hadamard(to_x * inside, ctx.size), hadamard(to_w * inside_w, ctx.size)
        return grad_x, grad_w, _pulled(to_x, slope), _pulled(to_w, slope_w), None, None, None


def input_gradient(pieces: Split, codes_w: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """G W for a split G (N, out) and codes W (out, in): whole-number products of the kept ones of 2 N rows, added up in pairs."""
    rows, sizes = _stacked(pieces)
    if not len(rows):
        return torch.zeros(0, codes_w.shape[1])
    chance = leverage.water_filling(leverage.scores(rows.float()) * sizes, share * len(pieces.upper))
    picked = leverage.draw(chance, generator).nonzero().flatten()
    product = integers.matmul(rows[picked], codes_w) * (sizes[picked] / chance[picked].float())[:, None]
    zero = product.new_zeros(len(pieces.upper), codes_w.shape[1])
    return zero.index_add_(0, picked % len(zero), product)


def weight_gradient(pieces: Split, codes: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """G^T X for a split G (N, out) and codes X (N, in).  All rows: two whole-number products.

    Fewer: each kept row is divided by its own probability, *inside* the sum, so this product is one of floating-point numbers.
    """
    if share >= 2:
        upper, lower = (integers.matmul(piece.T, codes) for piece in (pieces.upper, pieces.lower))
        return (BASE * upper + lower) * pieces.step
    rows, sizes = _stacked(pieces)
    g, x = rows * sizes[:, None], codes.float().repeat(2, 1)
    chance = leverage.water_filling(leverage.scores(g, x), share * len(codes))
    return leverage.sampled_product(g, x, chance, generator)


def _stacked(pieces: Split) -> tuple[Tensor, Tensor]:
    """The 2 N rows of both pieces, and what each stands for a code of: 14 steps or one."""
    n = len(pieces.upper)
    return torch.cat([pieces.upper, pieces.lower]), torch.cat([(BASE * pieces.step).expand(n), pieces.step.expand(n)])


def _pulled(grad: Tensor, slope: Tensor) -> Tensor:
    """The gradient of a learned step, over sqrt(entries x high), as in :class:`~workbench.quantizers.LearnedStep`."""
    return (grad * slope).sum() / (max(grad.numel(), 1) * kept_codes.HIGH) ** 0.5


class Int4Linear(nn.Module):
    """x W^T + b with 4-bit codes in all three products (``xi2023int4``).

        forward:   y = s_x s_w round(x H / s_x) round(W H / s_w)^T + b,    H a block Hadamard rotation, steps learned
        backward:  the gradient G is split into 14 s U + s D, 4 bits each, without bias;
                   G W: rows of U and D are kept by chance, by their size;   G^T X: all rows, or sampled as well

    Clipped entries get no gradient, and steps learn as in LSQ (``esser2020lsq``).  For the way back it keeps one byte for each entry of x,
    and nothing else.  Products are of whole numbers, exact; the machine makes them from float32 (:mod:`workbench.quantizers.integers`).

    Args:
        layer: what it stands for; weight and bias are copied.
        x: typical inputs (n, in) or (batch, tokens, in), from which the step of the activations starts.
        draws: gives the generators; share one among the layers of a network.
        most: the largest Hadamard block; 1 rotates nothing.
        sampling: how many rows of the gradient are multiplied.

    Raises:
        ValueError: for inputs of another width, or all 0.
    """

    paper = ("xi2023int4", "esser2020lsq")

    def __init__(
        self,
        layer: nn.Linear,
        x: Tensor,
        draws: Draws,
        *,
        most: int = 64,
        sampling: Sampling = Sampling(),
    ) -> None:
        super().__init__()
        if x.shape[-1] != layer.in_features:
            raise ValueError(f"typical inputs have {x.shape[-1]} features, the layer takes {layer.in_features}")
        self.size, self.sampling, self.draws = block_size(layer.in_features, most), sampling, draws
        self.weight = nn.Parameter(layer.weight.detach().clone())
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())
        rotated = hadamard(layer.weight.detach(), self.size)
        if not bool(rotated.any()):  # a layer that starts at 0: the step of weights of the usual size
            rotated = torch.full_like(rotated, layer.in_features**-0.5)
        self.step_x = LearnedStep(hadamard(x.detach().float(), self.size), bits=4)
        self.step_w = LearnedStep(rotated, bits=4)

    def forward(self, x: Tensor) -> Tensor:
        """The layer on (..., in)."""
        flat = x.reshape(-1, x.shape[-1]).float()
        out = _Int4.apply(flat, self.weight, self.step_x.step, self.step_w.step, self.size, self.sampling, self.draws.next())
        out = out if self.bias is None else out + self.bias
        return out.view(*x.shape[:-1], len(self.weight))

    def extra_repr(self) -> str:
        """Sizes."""
        return f"in_features={self.weight.shape[1]}, out_features={self.weight.shape[0]}, hadamard={self.size}, {self.sampling}"
