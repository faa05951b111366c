"""Couplings one after the other, from data to numbers that are cheap to write down, and back without a rounding error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from workbench.quantizers.integer_flows.coupling import Coupling
from workbench.quantizers.integer_flows.prior import LogisticMixture
from workbench.quantizers.integer_flows.squeeze import squeeze, unsqueeze
from workbench.quantizers.integer_flows.translator import Translator

AT_ONCE = 256  # samples, where only numbers are wanted and memory matters
Pair = tuple[Sequence[int], Sequence[int]]  # the channels that a coupling reads, and those that it writes


@dataclass(frozen=True)
class Level:
    """What happens at one resolution.

    Args:
        pairs: channels that each coupling reads and writes.
        squeezed: whether squares of pixels become channels first.
        kept: how many of the first channels go on to the next level; the others are done, and get their law.
    """

    pairs: tuple[Pair, ...]
    squeezed: bool = False
    kept: int = 0


class IntegerFlow(nn.Module):
    """x -> z, a one-to-one map of whole numbers, and a law for z: then P(x) = P(z), with no determinant (``hoogeboom2019idf``).

    Args:
        shape: of one sample, (channels, height, width); points of the plane are (2, 1, 1).
        levels: see :func:`lifting` for pictures and :func:`alternating` for points.
        translator: ``translator(reads, writes, generator)`` makes the network of a coupling; its settings are its own.
        components: of the law of each channel.
        center: is subtracted from x first; 128 for bytes.
        way: how training rounds, see :func:`round_through`.
        generator: draws the weights.

    Raises:
        ValueError: for levels that do not fit the shape.
    """

    paper = ("hoogeboom2019idf", "wang2022iodf")

    def __init__(
        self,
        shape: Sequence[int],
        levels: Sequence[Level],
        translator: Callable[[int, int, torch.Generator], nn.Module] | None = None,
        *,
        components: int = 1,
        center: int = 128,
        way: str = "nearest",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if len(shape) != 3 or not levels or levels[-1].kept:
            raise ValueError(
                f"got shape {tuple(shape)} and {len(levels)} levels; give (channels, h, w), and a last level that keeps 0"
            )
        make = translator or (lambda reads, writes, rng: Translator(reads, writes, generator=rng))
        self.shape, self.levels, self.center = tuple(shape), tuple(levels), center
        self.couplings, self.priors = nn.ModuleList(), nn.ModuleList()
        for level, (channels, _, _) in zip(levels, _sizes(shape, levels), strict=True):
            for reads, writes in level.pairs:
                if not set(reads) | set(writes) <= set(range(channels)):
                    raise ValueError(f"a coupling reads {reads} and writes {writes} of {channels} channels")
                self.couplings.append(Coupling(reads, writes, make(len(reads), len(writes), generator), way))
            self.priors.append(LogisticMixture(channels - level.kept, components))

    def forward(self, x: Shaped[Tensor, "n c h w"], generator: torch.Generator | None = None) -> list[Tensor]:
        """The parts of z, one for each level: floats for floats (in training), int64 for whole numbers (exact)."""
        z, parts, couplings = self.check(x) - self.center, [], iter(self.couplings)
        for level in self.levels:
            z = squeeze(z) if level.squeezed else z
            for _ in level.pairs:
                z = next(couplings)(z, 1, generator)
            parts.append(z[:, level.kept :])
            z = z[:, : level.kept]
        return parts

    def inverse(self, parts: Sequence[Tensor]) -> Tensor:
        """x from the parts of z."""
        z, couplings = parts[-1][:, :0], reversed(self.couplings)
        for level, part in zip(reversed(self.levels), reversed(parts), strict=True):
            z = torch.cat([z, part], 1) if level.kept else part
            for _ in level.pairs:
                z = next(couplings)(z, -1)
            z = unsqueeze(z) if level.squeezed else z
        return z + self.center

    def bits(self, x: Shaped[Tensor, "n c h w"], generator: torch.Generator | None = None) -> Float[Tensor, " n"]:
        """-log2 P(x) of each sample."""
        return sum(prior.bits(z).flatten(1).sum(1) for prior, z in zip(self.priors, self(x, generator), strict=True))

    def bits_per_dimension(self, x: Shaped[Tensor, "n c h w"]) -> float:
        """The mean of -log2 P(x) over samples, divided by the numbers in one; in the precision of the weights."""
        with torch.no_grad():
            bits = torch.cat([self.bits(part).double() for part in x.split(AT_ONCE)])
            return float(bits.mean() / torch.Size(self.shape).numel())

    def part_shapes(self, n: int) -> list[tuple[int, int, int, int]]:
        """The shapes of the parts of z for ``n`` samples."""
        sizes = _sizes(self.shape, self.levels)
        return [(n, c - level.kept, h, w) for level, (c, h, w) in zip(self.levels, sizes, strict=True)]

    def check(self, x: Tensor) -> Tensor:
        """``x`` as floats or int64.

        Raises:
            ValueError: for samples of another shape.
        """
        if x.ndim != 4 or tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"got samples of shape {tuple(x.shape)}; this flow takes (n, {', '.join(map(str, self.shape))})")
        return x if x.is_floating_point() else x.long()


def _sizes(shape: Sequence[int], levels: Sequence[Level]) -> list[tuple[int, int, int]]:
    (c, h, w), found = shape, []
    for level in levels:
        if level.squeezed and (h % 2 or w % 2):
            raise ValueError(f"{h} x {w} pixels cannot be squeezed; take fewer levels, or even sides")
        c, h, w = (4 * c, h // 2, w // 2) if level.squeezed else (c, h, w)
        if level.kept > c:
            raise ValueError(f"a level keeps {level.kept} of {c} channels")
        found.append((c, h, w))
        c = level.kept
    return found


def alternating(channels: int, couplings: int) -> tuple[Level]:
    """One level in which the two halves of the channels take turns; the first couplings read the first half."""
    halves = tuple(range(channels // 2)), tuple(range(channels // 2, channels))
    return (Level(tuple((halves[k % 2], halves[1 - k % 2]) for k in range(couplings))),)


def shuffled(channels: int, couplings: int, generator: torch.Generator) -> tuple[Level]:
    """One level in which every coupling reads a random half of the channels and writes the other: a fixed permutation before each."""
    orders = [torch.randperm(channels, generator=generator).tolist() for _ in range(couplings)]
    return (Level(tuple((order[: channels // 2], order[channels // 2 :]) for order in orders)),)


def lifting(channels: int = 3, levels: int = 3) -> tuple[Level, ...]:
    """Levels for pictures: at each resolution colors predict each other, pixels predict the pixels between them, and a quarter goes on.

    With the phases a b / c d of a square:  one color predicts the others;  a, d predict b, c;  a predicts d, given the others;  colors once
    more, for what is left of b, c, d;  and b, c, d correct a, which goes on to the next level.
    """
    phase = [range(f * channels, (f + 1) * channels) for f in range(4)]
    a, b, c, d = (tuple(part) for part in phase)
    first = min(1, channels - 1)  # green
    lead = tuple(f * channels + first for f in range(4))
    rest = tuple(k for k in range(4 * channels) if k not in lead)
    colors: tuple[Pair, ...] = ((lead, rest),) if rest else ()
    again: tuple[Pair, ...] = ((lead[1:], tuple(k for k in rest if k not in a)),) if rest else ()
    pairs = (*colors, ((*a, *d), (*b, *c)), ((*a, *b, *c), d), *again, ((*b, *c, *d), a))
    return tuple(Level(pairs, True, channels if k < levels - 1 else 0) for k in range(levels))
