"""A small diffusion transformer for 32x32 images: patches as tokens, every block modulated by time and class."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import fold, gelu, scaled_dot_product_attention, unfold

from workbench.nets.embedding import Conditioning
from workbench.nets.initial import draw_weights, zero


class Block(nn.Module):
    """x + g_1 Attention(norm_1(x)), then x + g_2 MLP(norm_2(x)); shifts, scales and gates g come from the embedding, and start at 0."""

    def __init__(self, width: int, heads: int, emb: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.expand, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.modulation = zero(nn.Linear(emb, 6 * width))

    def forward(self, x: Float[Tensor, "batch tokens width"], emb: Float[Tensor, "batch emb"]) -> Tensor:
        """One transformer block."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self.modulation(emb)[:, None].chunk(6, dim=2)
        x = x + gate_1 * self.attend(torch.addcmul(shift_1, self.norm(x), 1 + scale_1))
        hidden = self.expand(torch.addcmul(shift_2, self.norm(x), 1 + scale_2))
        return x + gate_2 * self.shrink(gelu(hidden, approximate="tanh"))

    def attend(self, x: Tensor) -> Tensor:
        """Every token looks at every other."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return self.out(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width))


class DiT(nn.Module):
    """F(x, times[, labels]): the picture cut into patches, one token each, through ``depth`` blocks, and put together again.

    The last layer and all gates start at 0, so the network starts as the zero map (adaLN-Zero).  Positions are fixed two-dimensional
    waves.  Architecture: ``peebles2023dit``.

    Args:
        channels: of the output: 3 for images.
        inputs: channels of the input where they are more, e.g. 6 when a preconditioner shows its own guess as well.
        patch: pixels of a side of a patch.
        width: features of a token, a multiple of 4 and of ``heads``.
        depth: blocks.
        heads: of attention.
        classes: number of classes; None takes no labels.
        emb: width of the embedding of time and class.
        side: pixels of a side of the images, a multiple of ``patch``.
        generator: draws the weights.

    Shapes: x (batch, inputs, side, side), times (batch,), labels (batch,) int64, an int, or None for no class.

    Raises:
        ValueError: for sizes that do not divide as said, or no blocks.
    """

    def __init__(
        self,
        channels: int = 3,
        inputs: int | None = None,
        patch: int = 4,
        width: int = 128,
        depth: int = 6,
        heads: int = 4,
        classes: int | None = None,
        emb: int = 128,
        side: int = 32,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        inputs = channels if inputs is None else inputs
        self.settings = {
            "channels": channels, "inputs": inputs, "patch": patch, "width": width, "depth": depth,
            "heads": heads, "classes": classes, "emb": emb, "side": side,
        }  # fmt: skip
        if side % patch:
            raise ValueError(f"side={side} is no multiple of patch={patch}; choose a patch that divides it")
        if width % heads or width % 4:
            raise ValueError(f"width={width} must be a multiple of heads={heads} and of 4")
        if depth < 1:
            raise ValueError(f"depth={depth}; a transformer needs at least one block")
        self.patch, self.side = patch, side
        with torch.device("meta"):
            self.embedding = Conditioning(emb, classes)
            self.read = nn.Linear(inputs * patch * patch, width)
            self.blocks = nn.ModuleList(Block(width, heads, emb) for _ in range(depth))
            self.norm = nn.LayerNorm(width, elementwise_affine=False)
            self.modulation = zero(nn.Linear(emb, 2 * width))
            self.write = zero(nn.Linear(width, channels * patch * patch))
        draw_weights(self, generator)
        self.register_buffer("positions", positions(side // patch, width), persistent=False)

    def forward(self, x: Float[Tensor, "batch inputs side side"], times: Float[Tensor, "batch"], labels=None) -> Tensor:
        """The raw output F, (batch, channels, side, side)."""
        emb = self.embedding(times, labels)
        tokens = self.read(unfold(x, self.patch, stride=self.patch).transpose(1, 2)) + self.positions
        for block in self.blocks:
            tokens = block(tokens, emb)
        shift, scale = self.modulation(emb)[:, None].chunk(2, dim=2)
        out = self.write(torch.addcmul(shift, self.norm(tokens), 1 + scale))
        return fold(out.transpose(1, 2), (self.side, self.side), self.patch, stride=self.patch)


def positions(cells: int, width: int) -> Float[Tensor, "tokens width"]:
    """cos and sin of row and column of each patch, at width / 4 frequencies from 1 down to 1 / 10,000 (``vaswani2017attention``)."""
    quarter = width // 4
    frequencies = torch.exp(-math.log(10_000) * torch.arange(quarter) / max(quarter, 1))
    angles = torch.arange(cells)[:, None] * frequencies
    waves = torch.cat([angles.cos(), angles.sin()], dim=1)  # (cells, width / 2)
    rows, columns = waves[:, None].expand(-1, cells, -1), waves[None].expand(cells, -1, -1)
    return torch.cat([rows, columns], dim=2).reshape(cells * cells, width)
