"""Networks whose numbers flow in 8 bits, forward and back: an MLP and a transformer (``xi2024jetfire``)."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import fold, scaled_dot_product_attention, silu, unfold

from workbench.nets.dit import Block, DiT
from workbench.nets.embedding import label_rows, waves
from workbench.nets.mlp import FEATURES, MLP
from workbench.quantizers.model import copied, net_of
from workbench.quantizers.training.block_int8 import SIDE
from workbench.quantizers.training.int8_flow import Int8Flow


class Int8MLP(nn.Module):
    """The layers of an MLP, from the first activation to the last hidden layer in 8 bits.  The layers that read and write coordinates
    stay in float32: a point has only a few of them, and they have to be told finely."""

    def __init__(self, net: MLP, flow: Int8Flow) -> None:
        super().__init__()
        self.settings, self.classes = net.settings, net.classes
        self.first, self.label, self.hidden, self.last, self.flow = net.first, net.label, net.hidden, net.last, flow

    def forward(self, x: Tensor, times: Tensor, labels=None) -> Tensor:
        """As the MLP."""
        h = self.first(torch.cat([x, waves(times, FEATURES)], dim=1))
        rows = label_rows(labels, self.classes, len(times), times.device)
        if self.label is not None:
            h = h + self.label(rows)
        h = self.flow.enter(h)
        for layer in self.hidden:
            h = self.flow.linear(self.flow.activation(h, "silu"), layer)
        return self.last(silu(self.flow.leave(h)))


class Int8DiT(nn.Module):
    """The parts of a transformer, its blocks in 8 bits: norms, linear maps, activations and the residual stream.  In float32 stay, as in
    the paper, the core of attention (products of tokens with tokens), and what reads, writes and tells the time."""

    def __init__(self, net: DiT, flow: Int8Flow) -> None:
        super().__init__()
        self.settings, self.patch, self.side, self.flow = net.settings, net.patch, net.side, flow
        self.embedding, self.read, self.blocks = net.embedding, net.read, net.blocks
        self.norm, self.modulation, self.write = net.norm, net.modulation, net.write
        self.register_buffer("positions", net.positions, persistent=False)

    def forward(self, x: Tensor, times: Tensor, labels=None) -> Tensor:
        """As the transformer."""
        emb = self.embedding(times, labels)
        tokens = self.read(unfold(x, self.patch, stride=self.patch).transpose(1, 2)) + self.positions
        tokens = self.flow.enter(tokens)
        for block in self.blocks:
            tokens = self.block(block, tokens, emb)
        shift, scale = self.modulation(emb)[:, None].chunk(2, dim=2)
        out = self.write(torch.addcmul(shift, self.norm(self.flow.leave(tokens)), 1 + scale))
        return fold(out.transpose(1, 2), (self.side, self.side), self.patch, stride=self.patch)

    def block(self, block: Block, x: Tensor, emb: Tensor) -> Tensor:
        """One block: attention, then two layers, each added to the stream."""
        flow = self.flow
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = block.modulation(emb)[:, None].chunk(6, dim=2)
        x, h = flow.fork(x)
        x = flow.add(x, self.attend(block, flow.norm(h, shift_1, scale_1)), gate_1)
        x, h = flow.fork(x)
        hidden = flow.activation(flow.linear(flow.norm(h, shift_2, scale_2), block.expand), "gelu")
        return flow.add(x, flow.linear(hidden, block.shrink), gate_2)

    def attend(self, block: Block, x: Tensor) -> Tensor:
        """Attention: 8 bits outside, float32 in the core."""
        batch, tokens, width = x.shape
        q, k, v = self.flow.linear(x, block.qkv).view(batch, tokens, 3, block.heads, width // block.heads).permute(2, 0, 3, 1, 4)
        return self.flow.linear(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape), block.out)


FORMS = {MLP: Int8MLP, DiT: Int8DiT}
# the networks that have an 8-bit form


def jetfire(model: Any, *, generator: torch.Generator, side: int | None = SIDE) -> Any:
    """Return a copy of ``model`` to be trained with numbers that flow in 8 bits; its parameters have the names they had.

        small = wb.quantizers.training.jetfire(model, generator=rng)
        small = wb.nets.fit(small, x0, steps=1500, generator=rng)

    Args:
        model: an :class:`~workbench.nets.MLP` or :class:`~workbench.nets.DiT`, or a denoiser with one in its field ``net``.
        generator: the seed of all that is drawn in training.
        side: of the tiles that share a step; None is one step for a whole tensor, which outliers spoil.

    Raises:
        TypeError: for another network.
    """
    net = net_of(model)
    if type(net) not in FORMS:
        names = " and ".join(kind.__name__ for kind in FORMS)
        raise TypeError(f"{type(net).__name__} has no 8-bit form; {names} do, and others can be built from Int8Flow")
    flow = Int8Flow(side, generator)
    new = copied(model)
    small = FORMS[type(net)](net_of(new), flow)
    return small if isinstance(new, nn.Module) else dataclasses.replace(new, net=small)
