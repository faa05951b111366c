"""The network of a coupling in whole numbers only: the same answer on every machine, for every batch and any number of threads."""

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from workbench.quantizers import integers
from workbench.quantizers.integer_flows.translator import HIGH, LOW, UNIT, Translator


class WholeConvolution(nn.Module):
    """Whole numbers in, whole numbers out:  clamp((m (w * x + b) + 2^(shift - 1)) >> shift).

    The weights w are int8, x has at most 8 bits, sums are exact, and the fixed-point factor m / 2^shift stands in for the product of the
    steps.  Between the layers the result is cut to 0..255, which is ReLU as well; the last one is not cut.

    Args:
        weight: int8, (outputs, inputs, k, k).
        bias: int64, (outputs,), in units of the sums.
        factor: int64, (outputs,), m, below 2^31.
        shift: of the fixed-point product, int64.
        cut: the largest result, 255 for 8 bits; the smallest is then 0.  None does not cut.
    """

    def __init__(self, weight: Tensor, bias: Tensor, factor: Tensor, shift: Tensor, cut: int | None) -> None:
        super().__init__()
        self.cut = cut
        for name, part, dtype in (("weight", weight, torch.int8), ("bias", bias, torch.int64), ("factor", factor, torch.int64)):
            self.register_buffer(name, part.to(dtype).clone())
        self.register_buffer("shift", shift.to(torch.int64).clone())

    def forward(self, x: Int64[Tensor, "n inputs h w"]) -> Int64[Tensor, "n outputs h w"]:
        """The layer."""
        n, _, h, w = x.shape
        outputs, _, k, _ = self.weight.shape
        total = integers.matmul(_patches(x, k), self.weight.flatten(1).long().T) + self.bias
        out = rescaled(total, self.factor, self.shift)
        out = out if self.cut is None else out.clamp(0, self.cut)
        return out.view(n, h, w, outputs).permute(0, 3, 1, 2).contiguous()


class WholeTranslator(nn.Module):
    """round(t(z)) from a stack of :class:`WholeConvolution`; z is cut to 8 bits on the way in."""

    whole = True

    def __init__(self, layers: list[WholeConvolution]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    @classmethod
    @torch.no_grad()
    def of(cls, translator: Translator) -> "WholeTranslator":
        """The whole-number form of a translator with learned steps.

        Raises:
            ValueError: for one without steps of activations and weights, with gates, or with steps beyond 8 bits.
        """
        if not translator.weight_steps or not translator.activation_steps or translator.gates:
            raise ValueError("needs activation steps and weight steps, and no gates: remove_filters, then add both kinds of steps")
        if any(step.high > 255 for step in translator.activation_steps) or any(step.high > 127 for step in translator.weight_steps):
            raise ValueError("activations and weights must have at most 8 bits")
        layers, step_in = [], torch.tensor(1 / UNIT, dtype=torch.float64)
        for place, layer in enumerate(translator.layers):
            learned = translator.weight_steps[place]
            step = learned.step.double()
            codes = (layer.weight.double() / step).round().clamp(learned.low, learned.high)
            unit = step.flatten() * step_in  # what 1 of the sum stands for
            last = place == len(translator.layers) - 1
            step_out = torch.tensor(1 / UNIT).double() if last else translator.activation_steps[place].step.double()
            factor, shift = fixed_point(unit / step_out)
            bias = (layer.bias.double() / unit).round().clamp(-(2**30), 2**30)
            layers.append(WholeConvolution(codes, bias, factor, shift, None if last else translator.activation_steps[place].high))
            step_in = step_out
        return cls(layers)

    @classmethod
    def blank(cls, shapes: list[tuple[int, int, int, int]]) -> "WholeTranslator":
        """Layers of 8 bits with weights of these shapes and nothing in them, to load a state into."""
        cuts = [255] * (len(shapes) - 1) + [None]
        zeros = [(torch.zeros(s), torch.zeros(s[0]), torch.zeros(s[0]), torch.zeros(())) for s in shapes]
        return cls([WholeConvolution(*parts, cut) for parts, cut in zip(zeros, cuts, strict=True)])

    def forward(self, z: Int64[Tensor, "n inputs h w"]) -> Int64[Tensor, "n outputs h w"]:
        """The translation, a whole number."""
        h = z.clamp(LOW, HIGH)
        for layer in self.layers:
            h = layer(h)
        return h


def fixed_point(ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Factors m below 2^31 and one shift with m / 2^shift = ratio, off by at most 2^-(shift + 1).

    Raises:
        ValueError: for ratios of 2^29 or more, which leave no room for a shift.
    """
    shift = min(30 - int(torch.frexp(ratio.max()).exponent), 40)
    if shift < 1:
        raise ValueError(f"a ratio of steps of {float(ratio.max()):.3g} is too large; these steps do not belong together")
    return (ratio * 2.0**shift).round().long(), torch.tensor(shift)


def rescaled(total: Int64[Tensor, "*shape"], factor: Tensor, shift: Tensor) -> Int64[Tensor, "*shape"]:
    """total m / 2^shift rounded to nearest, halves up, by shifts alone."""
    return (total * factor + (1 << (shift - 1))) >> shift


def _patches(x: Tensor, k: int) -> Tensor:
    """(n h w, inputs k k): the neighborhood of each pixel, 0 outside.  Only copies, so nothing can be rounded."""
    n, c, h, w = x.shape
    wide = nn.functional.pad(x, [k // 2] * 4)
    return wide.unfold(2, k, 1).unfold(3, k, 1).permute(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * k * k)
