"""What a network is told besides the picture: the time, as waves of many lengths, and perhaps a class."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

Labels = Tensor | Sequence[int] | int | None


def waves(times: Float[Tensor, "batch"], width: int, longest: float = 100.0) -> Float[Tensor, "batch width"]:
    """cos and sin of  2 pi f_k t,  with width / 2 frequencies f_k in geometric steps from 1 / ``longest`` to 4: smooth features of a time.

    Made for log(rho) / 4 and for flow times, both of order 1.  After ``vaswani2017attention``.
    """
    half = width // 2
    ratio = math.log(4 * longest) / max(half - 1, 1)
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32, device=times.device) * ratio) / longest
    angles = 2 * math.pi * times[:, None].to(torch.float32) * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1).to(times.dtype)


class Conditioning(nn.Module):
    """Time, and optionally class, to one vector that every block of a network sees.

    emb = silu(W_2 silu(W_1 waves(t)) + c[label]).  Label ``classes`` (the last row) stands for *no class*: it is what a network
    trained with label dropout is given when no class is asked for (``ho2022cfg``).
    """

    def __init__(self, width: int, classes: int | None) -> None:
        super().__init__()
        self.classes, self.features = classes, width // 2 * 2
        self.time = nn.Sequential(nn.Linear(self.features, width), nn.SiLU(), nn.Linear(width, width))
        self.label = None if classes is None else nn.Embedding(classes + 1, width)

    def forward(self, times: Float[Tensor, "batch"], labels: Labels) -> Float[Tensor, "batch width"]:
        """The vector of each sample; ``labels`` None is no class, an int the same class for all."""
        emb = self.time(waves(times, self.features))
        rows = label_rows(labels, self.classes, len(times), times.device)
        return nn.functional.silu(emb if self.label is None else emb + self.label(rows))


def label_rows(labels: Labels, classes: int | None, batch: int, device: torch.device) -> Int64[Tensor, "batch"] | None:
    """Rows of the table of classes, one for each sample: None and ``classes`` are no class.  None for a network without classes.

    Raises:
        ValueError: for labels outside 0..classes, another number of them than samples, or labels for a network without classes.
    """
    if classes is None:
        if labels is not None:
            raise ValueError("this network was built with classes=None and takes no labels; build it with classes=10")
        return None
    labels = classes if labels is None else labels
    rows = torch.as_tensor(labels, device=device)
    if rows.is_floating_point() or rows.dtype == torch.bool:
        raise ValueError(f"labels must be whole numbers, got dtype {rows.dtype}")
    rows = rows.long().expand(batch) if rows.ndim == 0 else rows.long()
    if rows.shape != (batch,):
        raise ValueError(f"got labels of shape {tuple(rows.shape)} for {batch} samples; give one label, or one for each")
    if batch and not 0 <= int(rows.min()) <= int(rows.max()) <= classes:
        raise ValueError(
            f"labels must be 0 to {classes - 1} (or {classes} for no class), got {int(rows.min())} to {int(rows.max())}"
        )
    return rows
