"""The network inside a coupling: it reads some of the numbers and says by how much to move the others."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.nets.initial import draw_weights, zero
from workbench.quantizers.integer_flows.gates import Gates
from workbench.quantizers.learned_step import LearnedStep

UNIT = 64.0  # numbers are divided by it on the way in and multiplied on the way out
LOW, HIGH = -128, 127  # what a network sees of its input: as many numbers as 8 bits have


class Translator(nn.Module):
    """t(z) = 64 F(clamp(z, -128, 127) / 64), F a few convolutions with ReLU between them.

    The last convolution starts at 0, and with it the translation, so that a flow starts as the identity.  Three things can be added on
    the way to whole numbers: :meth:`add_gates`, :meth:`add_activation_steps`, :meth:`add_weight_steps`.

    Args:
        inputs, outputs: channels.
        width: channels of the hidden layers.
        kernels: the side of each convolution, odd; (1, 1, 1) for points of the plane.
        generator: draws the weights.

    Raises:
        ValueError: for channels below 1, fewer than two kernels, or an even one.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int = 32, kernels: Sequence[int] = (3, 1, 3), *, generator: torch.Generator
    ) -> None:
        super().__init__()
        if min(inputs, outputs, width) < 1:
            raise ValueError(f"got inputs={inputs}, outputs={outputs}, width={width}; each needs to be at least 1")
        if len(kernels) < 2 or any(k < 1 or k % 2 == 0 for k in kernels):
            raise ValueError(f"kernels={tuple(kernels)}; give two or more odd sides, such as (3, 1, 3)")
        channels = [inputs, *[width] * (len(kernels) - 1), outputs]
        with torch.device("meta"):
            self.layers = nn.ModuleList(
                nn.Conv2d(a, b, k, padding=k // 2) for a, b, k in zip(channels, channels[1:], kernels, strict=False)
            )
        zero(self.layers[-1])
        draw_weights(self, generator)
        self.gates, self.activation_steps, self.weight_steps = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()

    @classmethod
    def blank(cls, sizes: Sequence[Sequence[int]]) -> "Translator":
        """Layers with weights of these sizes and nothing in them, to load a state into."""
        out = cls(sizes[0][1], sizes[-1][0], 1, [size[-1] for size in sizes], generator=torch.Generator())
        for layer, size in zip(out.layers, sizes, strict=True):
            _keep(layer, weight=torch.zeros(*size), bias=torch.zeros(size[0]))
        return out

    def forward(self, z: Float[Tensor, "n inputs height width"]) -> Float[Tensor, "n outputs height width"]:
        """The translation, before it is rounded."""
        h = z.clamp(LOW, HIGH) / UNIT
        for place, layer in enumerate(self.layers):
            h = self._convolved(place, layer, h)
            if place < len(self.layers) - 1:
                h = h.relu()
                h = self.gates[place](h) if self.gates else h
                h = self.activation_steps[place](h) if self.activation_steps else h
        return UNIT * h

    def _convolved(self, place: int, layer: nn.Conv2d, h: Tensor) -> Tensor:
        weight = self.weight_steps[place](layer.weight) if self.weight_steps else layer.weight
        return nn.functional.conv2d(h, weight, layer.bias, padding=layer.padding)

    def add_gates(self) -> None:
        """Give every hidden channel a gate."""
        self.gates = nn.ModuleList(Gates(layer.out_channels) for layer in self.layers[:-1])

    @torch.no_grad()
    def remove_filters(self) -> None:
        """Drop the channels whose gates are closed, and the gates: the same function with less work."""
        for gates, layer, following in zip(self.gates, self.layers, self.layers[1:], strict=False):
            kept = gates.open.nonzero().flatten()
            _keep(layer, weight=layer.weight[kept], bias=layer.bias[kept])
            _keep(following, weight=following.weight[:, kept], bias=following.bias)
        self.gates = nn.ModuleList()

    @torch.no_grad()
    def add_activation_steps(self, z: Float[Tensor, "n inputs height width"], bits: int = 8) -> None:
        """Round hidden activations to 0..2^bits - 1 times a learned step, which starts from those on ``z`` (LSQ, ``esser2020lsq``)."""
        self.activation_steps, steps = nn.ModuleList(), nn.ModuleList()
        h = z.clamp(LOW, HIGH) / UNIT
        for place, layer in enumerate(self.layers[:-1]):
            h = self._convolved(place, layer, h).relu()
            h = self.gates[place](h) if self.gates else h
            step = LearnedStep(h if bool(h.any()) else h + 1, bits, signed=False)
            step.raw.copy_(best_step(h.reshape(1, -1), step.low, step.high).view(()))
            steps.append(step)
        self.activation_steps = steps

    @torch.no_grad()
    def add_weight_steps(self, bits: int = 8) -> None:
        """Round weights to ``bits`` bits, with a learned step for each output."""
        self.weight_steps = nn.ModuleList()
        for layer in self.layers:
            w = layer.weight.detach()
            silent = w.flatten(1).abs().amax(1) == 0  # any step will do for a row of zeros
            step = LearnedStep(torch.where(silent[:, None, None, None], 1.0, w), bits, each_row=True)
            step.raw.copy_(best_step(w.flatten(1), step.low, step.high).view_as(step.raw))
            self.weight_steps.append(step)

    @property
    def filters(self) -> int:
        """Hidden channels that are open."""
        if self.gates:
            return sum(int(gates.open.sum()) for gates in self.gates)
        return sum(layer.out_channels for layer in self.layers[:-1])


def best_step(rows: Float[Tensor, "rows entries"], low: int, high: int) -> Float[Tensor, " rows"]:
    """For each row the step, of twenty, whose codes low..high restore it with the least squared error.

    LSQ's own start, from the mean magnitude, cuts off a row with a few large weights and many that are nearly 0.
    """
    largest = (rows.amax(1) / high).maximum(rows.amin(1) / min(low, -1)).clamp(min=1e-8)
    best, least = largest, torch.full_like(largest, torch.inf)
    for share in torch.linspace(1, 0.05, 20):
        step = (share * largest)[:, None]
        lost = ((rows / step).round().clamp(low, high) * step - rows).square().sum(1)
        best, least = torch.where(lost < least, step[:, 0], best), lost.minimum(least)
    return best


def _keep(layer: nn.Conv2d, *, weight: Tensor, bias: Tensor) -> None:
    layer.weight, layer.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    layer.out_channels, layer.in_channels = weight.shape[:2]
