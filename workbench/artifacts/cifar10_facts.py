"""Record ``cifar10-facts``: ``python -m workbench.artifacts.cifar10_facts --data FOLDER --source official``.

Measurements that need all 50,000 training images and that chapters quote as *recorded*: how the variance is spread, how well
the best linear denoiser can do, and how the Gaussian law compares with the exact law of the training set itself.
A few minutes on two cores and 2 GB of memory.
"""

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor
from tqdm.auto import tqdm

from workbench import data
from workbench.artifacts.command_line import images_sha256, run
from workbench.artifacts.covariance import denoising_error, eigenpairs, exact_moments
from workbench.artifacts.empirical import posterior_mean
from workbench.artifacts.manifest import publish

NAME = "cifar10-facts"
DENOISING_SIGMAS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 80.0)
COMPARED_SIGMAS = (0.2, 0.5, 1.0, 2.0, 3.3, 5.3, 8.4, 12.9)
POINTS = 1024
SEED = 0


def build(
    images: UInt8[Tensor, "n channels height width"],
    folder: Path,
    source: str,
    *,
    points: int = POINTS,
    sigmas: tuple[float, ...] = COMPARED_SIGMAS,
) -> dict[str, Any]:
    """Measure the facts of ``images``, write them to ``folder`` as JSON, and return their manifest entry."""
    mean, covariance = exact_moments(images.flatten(1))
    spectrum, vectors = eigenpairs(covariance)
    facts = {
        "variance": variance_facts(images, mean, spectrum),
        "denoising": [
            {
                "sigma": sigma,
                "gaussian_mse_per_dimension": denoising_error(spectrum, sigma),
                "isotropic_mse_per_dimension": denoising_error(spectrum.mean().expand(len(spectrum)), sigma),
                "modes_above_noise": int((spectrum > sigma**2).sum()),
            }
            for sigma in DENOISING_SIGMAS
        ],
        "gaussian_against_training_set": compare(images, mean, spectrum, vectors, points, sigmas),
    }
    return publish(
        NAME,
        (json.dumps(facts, indent=2) + "\n").encode(),
        folder,
        file="cifar10-facts.json",
        kind="facts",
        source=source,
        command=f"python -m workbench.artifacts.cifar10_facts --data FOLDER --source {source}",
        measured={"images_sha256": images_sha256(images), "seed": SEED, "points": points},
    )


def variance_facts(images: Tensor, mean: Float64[Tensor, " d"], spectrum: Float64[Tensor, " d"]) -> dict[str, Any]:
    """Return how the total variance is spread over directions and channels; pixels in [-1, 1]."""
    share = spectrum.cumsum(0) / spectrum.sum()
    channels = images.transpose(0, 1).flatten(1)
    return {
        "count": len(images),
        "dimension": len(spectrum),
        "mean_norm_squared": mean.square().sum().item(),
        "trace": spectrum.sum().item(),
        "standard_deviation_per_dimension": spectrum.mean().sqrt().item(),
        "second_moment_per_dimension": ((mean.square().sum() + spectrum.sum()) / len(spectrum)).item(),
        "participation_ratio": (spectrum.sum().square() / spectrum.square().sum()).item(),
        "components_for_share": {str(q): int((share < q).sum()) + 1 for q in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)},
        "channel_means_0_to_1": [(channel.double().mean() / 255).item() for channel in channels],
        "channel_standard_deviations_0_to_1": [(channel.double().std() / 255).item() for channel in channels],
    }


def compare(
    images: UInt8[Tensor, "n channels height width"],
    mean: Float64[Tensor, " d"],
    spectrum: Float64[Tensor, " d"],
    vectors: Float64[Tensor, "d d"],
    points: int,
    sigmas: tuple[float, ...],
) -> list[dict[str, float]]:
    """Compare the full-rank Gaussian denoiser with the exact denoiser of the training set at ``x = x_0 + sigma eps``.

    The same images x_0 (drawn without replacement) and the same noise serve every sigma. Explained variance is the mean over
    points of ``1 - |difference|^2 / |exact|^2``, for the score and for the denoiser (``wang2024gaussian``); neighbors
    is ``1 / sum w^2`` with w the posterior weights of the training images.
    """
    generator = torch.Generator().manual_seed(SEED)
    chosen = torch.randperm(len(images), generator=generator)[:points]
    clean = data.to_floats(images[chosen].flatten(1), torch.float64)
    noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    rows = []
    for sigma in tqdm(sigmas, desc="gaussian against training set", unit="sigma"):
        noisy = clean + sigma * noise
        shrunk = (noisy - mean) @ vectors * (spectrum / (spectrum + sigma**2))
        gaussian = mean + shrunk @ vectors.T
        exact, neighbors = posterior_mean(noisy, images.flatten(1), mean, sigma)
        difference = (gaussian - exact).square().sum(dim=1)
        rows.append(
            {
                "sigma": sigma,
                "score_explained_variance": (1 - difference / (exact - noisy).square().sum(dim=1)).mean().item(),
                "denoiser_explained_variance": (1 - difference / exact.square().sum(dim=1)).mean().item(),
                "neighbors_mean": neighbors.mean().item(),
                "neighbors_median": neighbors.median().item(),
            }
        )
    return rows


if __name__ == "__main__":
    run(build, __doc__)
