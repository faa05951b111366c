"""Ranges of activations measured while a model runs: once for all times, or for each."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from workbench.quantizers.activations import Clock, Ranges
from workbench.quantizers.layers import channel_axis
from workbench.quantizers.model import copied, layers_of, net_of
from workbench.quantizers.watching import Look, watching


def calibrate(model: Any, run: Callable[[Any], Any], entries: int = 20, each_channel: bool = False) -> Ranges:
    """Measure the smallest and the largest input of every linear map and convolution while ``run(model)`` runs.

    Run what the model will be used for, for example ``lambda m: wb.solve(m, noise, grid, solver)``: the inputs of a denoiser along its own
    paths, on its own grid.

    Args:
        model: a network, or a denoiser with one in its field ``net``.
        run: is given a copy of it.
        entries: times that are told apart; 1 makes one range for all.  Where there were more, neighbors share an entry.
        each_channel: a range for every channel, which clips nothing that was seen, but cannot be taken out of an integer product.

    Raises:
        ValueError: for no entries, or a run that never called the model.
    """
    if entries < 1:
        raise ValueError(f"entries={entries}; a table needs at least one")
    model = copied(model)
    net, clock = net_of(model), Clock()
    seen: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {name: [] for name, _ in layers_of(net)}
    looks = {layer: _watch(seen[name], clock, channel_axis(layer), each_channel) for name, layer in layers_of(net)}
    with torch.no_grad(), watching({net: clock, **looks}):
        run(model)
    unused = [name for name, rows in seen.items() if not rows]
    if len(unused) == len(seen):
        raise ValueError("the run never called the model; run it on the model that it is given, as in lambda m: wb.solve(m, ...)")
    measured = {name: [torch.cat(column) for column in zip(*rows, strict=True)] for name, rows in seen.items() if rows}
    times = next(iter(measured.values()))[0]
    edges, centers = _bins(times, entries)
    low, high = {}, {}
    for name, (when, bottom, top) in measured.items():
        place = torch.bucketize(when, edges)
        low[name] = torch.stack([bottom[place == k].amin(0) for k in range(len(centers))])
        high[name] = torch.stack([top[place == k].amax(0) for k in range(len(centers))])
    return Ranges(centers, low, high)


def _watch(rows: list, clock: Clock, axis: int, each_channel: bool) -> Look:
    def watch(layer: nn.Module, args: tuple[Any, ...]) -> None:
        x = args[0].movedim(axis, 1)
        x = x.reshape(len(x), x.shape[1], -1) if each_channel else x.reshape(len(x), 1, -1)
        rows.append((clock.times.detach().float().clone(), x.amin(2), x.amax(2)))

    return watch


def _bins(times: Tensor, entries: int) -> tuple[Tensor, Tensor]:
    """Edges between neighboring entries, and the time of each: every distinct time if there are few, else equally many to an entry."""
    groups = torch.tensor_split(times.unique(), min(entries, len(times.unique())))
    first, last = torch.stack([group[0] for group in groups]), torch.stack([group[-1] for group in groups])
    return (last[:-1] + first[1:]) / 2, torch.stack([group.mean() for group in groups])
