"""Laws as whole numbers: a table of frequencies that add up to 2^16, which is what an entropy coder works with."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from workbench.quantizers.integer_flows.prior import LogisticMixture

PRECISION = 16
TOTAL = 1 << PRECISION
RAW = 64  # bits of a number that no table has


@dataclass(frozen=True, eq=False)
class Tables:
    """For each channel the frequencies of the whole numbers low, low + 1, ..., and last of all the frequency of everything else.

    A number outside is written as that last symbol, the escape, and its 64 bits.
    """

    low: Int64[Tensor, " channels"]
    frequencies: Int64[Tensor, "channels symbols"]

    def symbols(self, z: Int64[Tensor, "n channels h w"]) -> Int64[Tensor, "n channels h w"]:
        """The place of each number in its table; the last place for those outside."""
        escape = self.frequencies.shape[1] - 1
        low = self.low[:, None, None]
        inside = (z >= low) & (z < low + escape)
        return torch.where(inside, z - low, escape)

    def bits(self, z: Int64[Tensor, "n channels h w"]) -> Float[Tensor, "n channels h w"]:
        """What writing each number takes by these tables: 16 - log2 of its frequency, and 64 more for an escape."""
        symbols = self.symbols(z)
        channel = torch.arange(len(self.low))[:, None, None].expand_as(symbols)
        cost = PRECISION - self.frequencies[channel, symbols].double().log2()
        return cost + RAW * (symbols == self.frequencies.shape[1] - 1)


@torch.no_grad()
def tables(prior: LogisticMixture, tail: float = 2.0**-20, most: int = 1024) -> Tables:
    """Turn laws into whole numbers.

    Each table reaches as far as the tails hold more than ``tail``, at most ``most`` numbers around the median.  Of p each symbol gets
    1 + floor((2^16 - n) p), and what is left over goes to the likeliest.  So a symbol costs at most  -log2 p + log2(2^16 / (2^16 - n)) + eps
    bits, where n is the number of symbols and eps covers the floor: see ``tests/quantizers/integer_flows``.
    """
    reach = torch.arange(-4096, 4097, dtype=torch.float64).repeat(len(prior.means), 1)
    middle = prior.laws(torch.float64)[0].mean(1).round().long()
    edges = reach + middle[:, None] - 0.5
    below, above = prior.below(edges), prior.above(edges)
    start = (below < tail).sum(1).clamp(min=1) - 1
    stop = edges.shape[1] - (above < tail).sum(1).clamp(min=1)
    half = edges.shape[1] - 1 - (below > 0.5).sum(1)
    size = int(min((stop - start).max(), most))
    start = torch.where(stop - start > most, half - most // 2, start).clamp(0, edges.shape[1] - 1 - size)
    cells = start[:, None] + torch.arange(size)
    left, right = below.gather(1, cells), below.gather(1, cells + 1)
    p = torch.where(left > 0.5, above.gather(1, cells) - above.gather(1, cells + 1), right - left)
    outside = below.gather(1, cells[:, :1]) + above.gather(1, cells[:, -1:] + 1)
    return Tables((start + middle - 4096), whole_frequencies(torch.cat([p, outside], 1)))


def whole_frequencies(p: Float[Tensor, "channels symbols"]) -> Int64[Tensor, "channels symbols"]:
    """Frequencies of at least 1 that add up to 2^16."""
    n = p.shape[1]
    counts = 1 + ((TOTAL - n) * (p / p.sum(1, keepdim=True))).floor().long()
    best = counts.argmax(1, keepdim=True)
    return counts.scatter_add(1, best, TOTAL - counts.sum(1, keepdim=True))
