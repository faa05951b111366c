"""A network for points: a few layers on the point and the waves of its time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.nets.embedding import label_rows, waves
from workbench.nets.initial import draw_weights, zero

FEATURES = 16  # waves that tell the time


class MLP(nn.Module):
    """F(x, times[, labels]) = W_out silu(... silu(W_1 [x, waves(t)] + c[label])): ``depth`` hidden layers of ``width``.

    The last layer starts at 0, so the network starts as the zero map.  Called as :class:`~workbench.nets.UNet` is.

    Args:
        dim: coordinates of a point.
        width: of the hidden layers.
        depth: their number.
        classes: number of classes; None takes no labels.
        inputs: coordinates of the input where they are more, e.g. 2 dim when a preconditioner shows its own guess as well.
        generator: draws the weights.

    Shapes: x (batch, inputs), times (batch,), labels (batch,) int64, an int, or None for no class.

    Raises:
        ValueError: for a dim, width or depth below 1.
    """

    def __init__(
        self,
        dim: int,
        width: int = 128,
        depth: int = 3,
        classes: int | None = None,
        inputs: int | None = None,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if min(dim, width, depth) < 1:
            raise ValueError(f"got dim={dim}, width={width}, depth={depth}; each needs to be at least 1")
        inputs = dim if inputs is None else inputs
        self.settings = {"dim": dim, "width": width, "depth": depth, "classes": classes, "inputs": inputs}
        self.classes = classes
        with torch.device("meta"):
            self.first = nn.Linear(inputs + FEATURES, width)
            self.label = None if classes is None else nn.Embedding(classes + 1, width)
            self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
            self.last = zero(nn.Linear(width, dim))
        draw_weights(self, generator)

    def forward(self, x: Float[Tensor, "batch inputs"], times: Float[Tensor, "batch"], labels=None) -> Float[Tensor, "batch dim"]:
        """The raw output F."""
        h = self.first(torch.cat([x, waves(times, FEATURES)], dim=1))
        rows = label_rows(labels, self.classes, len(times), times.device)
        if self.label is not None:
            h = h + self.label(rows)
        for layer in self.hidden:
            h = layer(nn.functional.silu(h))
        return self.last(nn.functional.silu(h))
