"""Gaussian noise with a say in who draws it: one generator for a batch, or one for each sample of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator]


def normal(shape: Sequence[int], generator: Generators, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Draw standard normal noise of ``shape`` in float32 on the generator's device, then cast and move it.

    A list holds one generator for each sample: then what a sample draws does not depend on the rest of the batch.
    Drawing in float32 whatever the dtype keeps float32 and float64 runs on the same noise.
    """
    if isinstance(generator, torch.Generator):
        drawn = torch.randn(tuple(shape), generator=generator, device=generator.device, dtype=torch.float32)
        return drawn.to(device=device, dtype=dtype)
    if not generator:
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    rows = [torch.randn(tuple(shape[1:]), generator=one, device=one.device, dtype=torch.float32) for one in generator]
    return torch.stack([row.to(device=device, dtype=dtype) for row in rows])


def check_generators(generator: Generators | None, batch: int, needed_by: str) -> None:
    """Raise ValueError or TypeError unless ``generator`` can draw for ``batch`` samples."""
    if generator is None:
        raise ValueError(
            f"{needed_by} draws noise, and got generator=None; it needs a torch.Generator (or a list with one for each "
            "sample); pass generator=torch.Generator().manual_seed(0)"
        )
    if isinstance(generator, torch.Generator):
        return
    if not isinstance(generator, Sequence) or not all(isinstance(one, torch.Generator) for one in generator):
        raise TypeError(f"generator must be a torch.Generator or a list of them, got {type(generator).__name__}")
    if len(generator) != batch:
        raise ValueError(f"got {len(generator)} generators for a batch of {batch}; pass one generator, or one for each sample")
