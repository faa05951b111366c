"""A small U-Net for 32x32 images: everything a diffusion U-Net has, and nothing else."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from workbench.nets.embedding import Conditioning
from workbench.nets.initial import draw_weights, zero

GROUP = 16  # channels that share a mean and a variance


class Block(nn.Module):
    """x + conv(silu(scale * norm(conv(silu(norm(x)))) + shift)), with scale and shift from the embedding (``dhariwal2021beat``)."""

    def __init__(self, width: int, emb: int) -> None:
        super().__init__()
        self.norm_in, self.norm_out = nn.GroupNorm(width // GROUP, width), nn.GroupNorm(width // GROUP, width)
        self.conv_in, self.conv_out = nn.Conv2d(width, width, 3, padding=1), zero(nn.Conv2d(width, width, 3, padding=1))
        self.modulation = nn.Linear(emb, 2 * width)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """One residual block at one resolution."""
        scale, shift = self.modulation(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.norm_out(self.conv_in(silu(self.norm_in(x))))
        return x + self.conv_out(silu(torch.addcmul(shift, h, 1 + scale)))


class Attention(nn.Module):
    """x + W_o softmax(q k^T / sqrt(64)) v over all pixels, in heads of 64 channels or fewer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(width // 64, 1)
        self.norm = nn.GroupNorm(width // GROUP, width)
        self.qkv, self.out = nn.Conv2d(width, 3 * width, 1), zero(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Every pixel looks at every other."""
        batch, width, *size = x.shape
        q, k, v = self.qkv(self.norm(x)).view(batch, 3, self.heads, width // self.heads, -1).transpose(-1, -2).unbind(1)
        seen = nn.functional.scaled_dot_product_attention(q, k, v)
        return x + self.out(seen.transpose(-1, -2).reshape(batch, width, *size))


class UNet(nn.Module):
    """F(x, times[, labels]): a U-Net that works on patches of 2x2 pixels.

    Pixels are folded into channels (space to depth), so the finest level is 16x16; ``blocks`` residual blocks at each level on the
    way down and as many on the way up, where the same level's output of the way down is added back (after a 1x1 convolution).
    Attention at the levels of at most ``attend`` pixels a side.  The last layer starts at 0, so the network starts as the zero map.
    Architecture after ``ronneberger2015unet``, ``ho2020ddpm`` and ``dhariwal2021beat``.

    Args:
        channels: of the output: 3 for images.
        inputs: channels of the input where they are more, e.g. 6 when a preconditioner shows its own guess as well.
        widths: channels at 16x16, 8x8, 4x4, ...: multiples of 16.
        blocks: residual blocks a level, down and up.
        attend: the largest side of a level with attention (a cost quadratic in pixels).
        classes: number of classes; None takes no labels.
        emb: width of the embedding of time and class.
        side: pixels of a side of the images.
        generator: draws the weights.

    Shapes: x (batch, inputs, side, side), times (batch,), labels (batch,) int64, an int, or None for no class.

    Raises:
        ValueError: for widths that are not multiples of 16, no blocks, or a side that the levels do not divide.
    """

    def __init__(
        self,
        channels: int = 3,
        inputs: int | None = None,
        widths: Sequence[int] = (80, 160, 256),
        blocks: int = 2,
        attend: int = 8,
        classes: int | None = None,
        emb: int = 256,
        side: int = 32,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        inputs = channels if inputs is None else inputs
        widths = tuple(widths)
        self.settings = {
            "channels": channels, "inputs": inputs, "widths": widths, "blocks": blocks,
            "attend": attend, "classes": classes, "emb": emb, "side": side,
        }  # fmt: skip
        if not widths or any(width < GROUP or width % GROUP for width in widths):
            raise ValueError(f"widths={widths}: every level needs a positive multiple of {GROUP} channels")
        if blocks < 1:
            raise ValueError(f"blocks={blocks}; a level needs at least one residual block")
        if side % 2 ** len(widths):
            raise ValueError(f"side={side} cannot be halved {len(widths)} times; it must be a multiple of {2 ** len(widths)}")
        sides = [side // 2 ** (level + 1) for level in range(len(widths))]
        with torch.device("meta"):
            self.embedding = Conditioning(emb, classes)
            self.fold = nn.Conv2d(inputs, widths[0], 2, stride=2)
            self.down, self.up = nn.ModuleList(), nn.ModuleList()
            for width, pixels in zip(widths, sides, strict=True):
                self.down.append(_level(width, emb, blocks, pixels <= attend))
                self.up.append(_level(width, emb, blocks, pixels <= attend))
            pairs = list(zip(widths, widths[1:], strict=False))
            self.coarser = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
            self.finer = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairs)
            self.skip = nn.ModuleList(nn.Conv2d(width, width, 1) for width in widths[:-1])
            self.norm = nn.GroupNorm(widths[0] // GROUP, widths[0])
            self.unfold = zero(nn.Conv2d(widths[0], 4 * channels, 3, padding=1))
        draw_weights(self, generator)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Float[Tensor, "batch inputs side side"], times: Float[Tensor, "batch"], labels=None) -> Tensor:
        """The raw output F, (batch, channels, side, side)."""
        emb = self.embedding(times, labels)
        h = self.fold(x.contiguous(memory_format=torch.channels_last))
        kept = []
        for level, blocks in enumerate(self.down):
            if level:
                h = self.coarser[level - 1](h)
            h = _run(blocks, h, emb)
            kept.append(h)
        h = _run(self.up[-1], h, emb)
        for level in reversed(range(len(self.up) - 1)):
            h = nn.functional.interpolate(self.finer[level](h), scale_factor=2.0) + self.skip[level](kept[level])
            h = _run(self.up[level], h, emb)
        return nn.functional.pixel_shuffle(self.unfold(silu(self.norm(h))), 2).contiguous()


def _level(width: int, emb: int, blocks: int, attention: bool) -> nn.ModuleList:
    """The residual blocks of one level, and attention after the last of them."""
    parts: list[nn.Module] = [Block(width, emb) for _ in range(blocks)]
    return nn.ModuleList([*parts, Attention(width)] if attention else parts)


def _run(blocks: nn.ModuleList, h: Tensor, emb: Tensor) -> Tensor:
    for block in blocks:
        h = block(h) if isinstance(block, Attention) else block(h, emb)
    return h
