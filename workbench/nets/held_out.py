"""How well a model denoises what it was not trained on: the number that a training loss only hints at."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.draws import check_generators, normal


@torch.no_grad()
def denoising_errors(
    model: Denoiser,
    x0: Float[Tensor, "n *shape"],
    times: Sequence[float | int],
    *,
    generator: torch.Generator,
    labels: Int64[Tensor, "n"] | None = None,
    batch: int = 64,
) -> Float64[Tensor, "times"]:
    """E|data(alpha x_0 + sigma eps, t) - x_0|^2 / d at each time, over the samples ``x0``, each with one draw of eps for all times.

    So two models asked with equal generators see the same noise, and the difference of their errors is known far better than each.
    No model is below the floor tr E Cov[x_0 | x_t] / d, which a :class:`~workbench.gaussian.Law` knows; for a Gaussian law it is
    ``law.mmse(t) / law.dim``.

    Args:
        model: any denoiser.
        x0: clean samples, held out from training.
        times: of the model's schedule.
        generator: draws the noise.
        labels: the classes that a conditional model is told; None tells it none.
        batch: samples asked at once.

    Raises:
        ValueError, TypeError: for no samples, no times, another number of labels than samples, or a generator that is none.
    """
    check_generators(generator, 1, "denoising_errors")
    if not len(x0) or not len(times) or batch < 1:
        raise ValueError(f"got {len(x0)} samples, {len(times)} times and batch={batch}; needs at least one of each")
    if labels is not None and len(labels) != len(x0):
        raise ValueError(f"got {len(labels)} labels for {len(x0)} samples; give one for each")
    noise = normal(x0.shape, generator, x0.dtype, x0.device)
    sums = torch.zeros(len(times), dtype=torch.float64)
    for low in range(0, len(x0), batch):
        clean, eps = x0[low : low + batch], noise[low : low + batch]
        asked = model if labels is None else model.given(labels[low : low + batch])
        for k, t in enumerate(map(float, times)):
            seen = model.schedule.alpha(t) * clean + model.schedule.sigma(t) * eps
            sums[k] += (asked.data(seen, t) - clean).double().square().sum().item()
    return sums / x0.numel()
