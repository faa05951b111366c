"""A law for whole numbers: a mixture of logistic bells, cut into bins of width 1."""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from workbench.quantizers.integer_flows.translator import UNIT


class LogisticMixture(nn.Module):
    """P(k) = sum_j w_j [sigma((k + 1/2 - m_j) / s_j) - sigma((k - 1/2 - m_j) / s_j)], one mixture for each channel.

    The bins share edges, so the sum over any run of whole numbers is a difference of two sigmoids, and with both tails it is 1.

    Args:
        channels: how many laws.
        components: bells in each; 1 is the discretized logistic law.
    """

    def __init__(self, channels: int, components: int = 1) -> None:
        super().__init__()
        if min(channels, components) < 1:
            raise ValueError(f"got {channels} channels and {components} components; each needs to be at least 1")
        start = torch.linspace(-1, 1, components) if components > 1 else torch.zeros(1)
        self.means = nn.Parameter(start.repeat(channels, 1))  # in units of 64, as translators count
        self.log_scales = nn.Parameter(torch.full((channels, components), math.log(0.5 / components)))
        self.logits = nn.Parameter(torch.zeros(channels, components))

    def bits(self, z: Shaped[Tensor, "n channels h w"]) -> Float[Tensor, "n channels h w"]:
        """-log2 P(z), accurate far out in the tails too."""
        mean, scale, log_weight = (part[:, None, None] for part in self.laws(self.means.dtype))
        upper = (z.to(mean.dtype)[..., None] + 0.5 - mean) / scale
        log_p = log_bin(upper, 1 / scale) + log_weight
        return -log_p.logsumexp(-1) / math.log(2)

    def below(self, edge: Float[Tensor, "channels edges"]) -> Float[Tensor, "channels edges"]:
        """The probability of all that lies below each edge, in float64."""
        mean, scale, log_weight = (part[:, None] for part in self.laws(torch.float64))
        return (((edge.double()[..., None] - mean) / scale).sigmoid() * log_weight.exp()).sum(-1)

    def above(self, edge: Float[Tensor, "channels edges"]) -> Float[Tensor, "channels edges"]:
        """The probability of all that lies above each edge, in float64: no difference to 1, which would lose the tail."""
        mean, scale, log_weight = (part[:, None] for part in self.laws(torch.float64))
        return (((mean - edge.double()[..., None]) / scale).sigmoid() * log_weight.exp()).sum(-1)

    def laws(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Means and scales in whole numbers, and logarithms of the weights: (channels, components) each."""
        scale = UNIT * self.log_scales.to(dtype).exp().clamp(min=1e-3)
        return UNIT * self.means.to(dtype), scale, self.logits.to(dtype).log_softmax(-1)


def log_bin(upper: Float[Tensor, "*shape"], width: Float[Tensor, "*wide"]) -> Float[Tensor, "*shape"]:
    """log(sigma(u) - sigma(u - d)) = log sigma(u) + log sigma(d - u) + log(1 - e^-d): no difference of nearly equal numbers."""
    return nn.functional.logsigmoid(upper) + nn.functional.logsigmoid(width - upper) + (-torch.expm1(-width)).log()
