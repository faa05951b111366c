"""Up or down? The nearest level is best for a weight by itself, and not for what a layer computes: rounding learned on its inputs."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.quantizers import packing, uniform
from workbench.quantizers.affine import Affine
from workbench.quantizers.layers import channel_axis
from workbench.quantizers.model import copied, layers_of, net_of
from workbench.quantizers.quantizer import Quantized, Quantizer
from workbench.quantizers.watching import Look, watching


class LearnedRounding(nn.Module):
    """x -> step (floor(x / step) + h) with h = clip(1.2 sigmoid(raw) - 0.1, 0, 1) for each entry: AdaRound (``nagel2020adaround``).

    It starts at h = x / step - floor(x / step), where it is ``x`` itself, and ends, when h has come to 0 or 1, at one of the two levels
    beside it.  The sigmoid is stretched so that both can be reached.

    Args:
        x: what is to be rounded, a weight.
        quantizer: chooses the steps.

    Raises:
        TypeError: for a quantizer that is not Affine.
    """

    paper = "nagel2020adaround"

    def __init__(self, x: Tensor, quantizer: Quantizer) -> None:
        super().__init__()
        if not isinstance(quantizer, Affine):
            raise TypeError(f"learned rounding goes up or down between even steps; give an Affine, got {type(quantizer).__name__}")
        start = quantizer.quantize(x)
        self.start, self.steps = start, quantizer.steps(start.parts, x.shape)
        u = uniform.positions(x.detach().to(torch.float32), self.steps)
        self.register_buffer("below", u.floor())
        share = (u - self.below + 0.1) / 1.2
        self.raw = nn.Parameter(torch.logit(share))

    @property
    def share(self) -> Tensor:
        """h, between 0 (down) and 1 (up)."""
        return (1.2 * self.raw.sigmoid() - 0.1).clamp(0, 1)

    def forward(self) -> Tensor:
        """The softly rounded tensor."""
        return uniform.dequantize((self.below + self.share).clamp(self.steps.low, self.steps.high), self.steps)

    def undecided(self, beta: float) -> Tensor:
        """The mean of 1 - |2 h - 1|^beta: 0 when every entry is up or down; a small beta looks at all of them, a large one at the middle."""
        return (1 - (2 * self.share - 1).abs().pow(beta)).mean()

    @torch.no_grad()
    def quantized(self) -> Quantized:
        """Every entry up or down, whichever is nearer to h."""
        codes = (self.below + (self.share >= 0.5)).clamp(self.steps.low, self.steps.high) - self.steps.low
        start = self.start
        whole = codes.to(torch.uint8 if start.quantizer.bits <= 8 else torch.int32)
        return Quantized(
            start.quantizer, start.shape, start.dtype, start.parts | {"codes": packing.pack(whole, start.quantizer.bits)}
        )


def learn_rounding(
    weight: Float[Tensor, "outputs inputs"],
    gram: Float[Tensor, "inputs inputs"],
    quantizer: Affine,
    steps: int = 300,
    rate: float = 0.1,
    pull: float = 4.0,
) -> Quantized:
    """Round a matrix so that  tr((W - W') G (W - W')^T) / tr(W G W^T)  is small, the relative squared error of what the layer computes.

    G = X^T X of the layer's inputs X: nothing else of them matters.  ``pull`` times :meth:`LearnedRounding.undecided` is added after a fifth
    of the steps, its beta falling from 20 to 2.  Where the result loses more than rounding to nearest, the latter is returned.

    Raises:
        ValueError: for fewer than no steps, or a gram matrix that is not finite.
    """
    if steps < 0 or not bool(gram.isfinite().all()):
        raise ValueError(
            f"steps={steps}; give at least 0, and a gram matrix without NaN or infinity: look at the inputs it is made of"
        )
    soft = LearnedRounding(weight, quantizer)
    size = (weight @ gram * weight).sum().clamp(min=1e-30)

    def lost(found: Tensor) -> Tensor:
        off = found - weight
        return (off @ gram * off).sum() / size

    optimizer, begin = torch.optim.Adam(soft.parameters(), lr=rate), steps // 5
    nearest = float(lost(soft.start.dequantize())) or 1.0  # the unit, so that the pull means the same for all layers and bits
    for k in range(steps):
        beta = 20 - 18 * max(k - begin, 0) / max(steps - begin, 1)
        loss = lost(soft()) / nearest + (pull * soft.undecided(beta) if k >= begin else 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = soft.quantized()
    return found if float(lost(found.dequantize())) < float(lost(soft.start.dequantize())) else soft.start


def learned_roundings(
    model: Any, run: Callable[[Any], Any], weights: Affine | Mapping[str, Affine], steps: int = 300
) -> dict[str, Quantized]:
    """Weights by layer name, each rounded to suit the inputs that its layer has while ``run(model)`` runs, for ``quantized(model, weights=...)``.

    Layers are taken one by one, on the inputs that the unrounded model gives them.

    Raises:
        ValueError: for a layer that the run never used, a convolution in groups, or as :func:`learn_rounding`.
    """
    model = copied(model)
    chosen = {name: weights.get(name) if isinstance(weights, Mapping) else weights for name, _ in layers_of(net_of(model))}
    layers = {name: layer for name, layer in layers_of(net_of(model)) if chosen[name] is not None}
    grams: dict[str, Tensor] = {}
    with torch.no_grad(), watching({layer: _watch(grams, name) for name, layer in layers.items()}):
        run(model)
    unused = sorted(set(layers) - set(grams))
    if unused:
        raise ValueError(
            f"the run never used {', '.join(unused)}; run what the model will be used for, or leave them out of weights"
        )
    with torch.enable_grad():
        return {
            name: learn_rounding(layer.weight.detach().flatten(1), grams[name], chosen[name], steps)
            for name, layer in layers.items()
        }


def _watch(grams: dict[str, Tensor], name: str) -> Look:
    def watch(layer: nn.Module, args: tuple[Any, ...]) -> None:
        rows = rows_of(layer, args[0].detach())
        grams[name] = grams.get(name, 0) + rows.T @ rows / len(rows)

    return watch


def rows_of(layer: nn.Module, x: Tensor) -> Float[Tensor, "rows inputs"]:
    """What a layer multiplies its matrix (outputs, inputs of one output) with: tokens, or the patches that a convolution looks at.

    Raises:
        ValueError: for a convolution in groups.
    """
    if channel_axis(layer) == -1:
        return x.flatten(0, -2)
    if layer.groups != 1:
        raise ValueError(f"a convolution in {layer.groups} groups has several matrices; keep this layer")
    options = {name: getattr(layer, name) for name in ("dilation", "padding", "stride")}
    return nn.functional.unfold(x, layer.kernel_size, **options).transpose(1, 2).flatten(0, 1)
