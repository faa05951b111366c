"""The models of the benchmark of few evaluations: three laws and the network, each with noise to choose on and other noise to judge on."""

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import workbench as wb
from benchmarks import laws
from benchmarks.contest import Contest
from benchmarks.kept import Kept
from benchmarks.teleport import SEED, noise

ON = wb.schedules.DiscreteVP.linear()
OTHER, DISTANT = 1000, 3000  # the first seeds of the noise to choose on, and of that of the Frechet distance
CONVERGED = 100  # steps of UniPC


def law_contests(folder: Path) -> dict[str, Contest]:
    """The laws; the Gaussian for the jump has the moments of the ring, or those of CIFAR-10."""
    toy = wb.data.toys.ring
    between = torch.einsum("k,ki,kj->ij", toy.weights, toy.means, toy.means)
    mean = toy.weights @ toy.means
    covariance = torch.einsum("k,kij->ij", toy.weights, toy.covariances) + between - torch.outer(mean, mean)
    round_ring = wb.gaussian.GaussianDenoiser(mean, covariance, ON)
    one, other = laws.cifar10(ON), laws.cifar10(ON, first=OTHER)
    parts = {
        "ring": (laws.ring(ON, seed=1), laws.ring(ON), round_ring),
        "ten": (few(laws.pictures(ON, first=OTHER), 3), laws.pictures(ON), one.law),
        "cifar10": (other, one, one.law),
    }
    return {name: Contest(*three, kept=Kept(folder, law=name)) for name, three in parts.items()}


def few(problem: laws.Problem, samples: int) -> laws.Problem:
    """The first samples of a problem."""
    return replace(problem, name=f"{samples} of {problem.name}", noise=lambda t: problem.noise(t)[:samples])


def network_problem(model: wb.Denoiser, count: int, first: int, kept: Kept) -> laws.Problem:
    """The network from the noise of some seeds; its exact answer is a long run, kept on the disk."""
    shape, name = wb.characters.cifar10(ON).shape, f"{count} from {first}"

    def start(t: float) -> Tensor:
        return noise(ON, shape, count, first=first)

    def answer(x: Tensor, start: float, stop: float) -> Tensor:
        key = {"converged": CONVERGED, "noise": name, "start": start, "stop": stop}
        return kept.row(key, lambda: ({}, {"ends": converged(model, x, start, stop)}))[1]["ends"]

    return laws.Problem(name, model, start, answer, math.prod(shape))


def converged(model: wb.Denoiser, x: Tensor, start: float, stop: float, steps: int = CONVERGED) -> Tensor:
    """Where the network's own flow ends."""
    return wb.solve(model, x, wb.grids.karras(ON, steps, start, stop), wb.solvers.UniPC()).x


def network_contest(choosing: int, pictures: int, folder: Path) -> Contest:
    """The network of the book; errors are in units of the contrast of its pictures."""
    model, kept = wb.characters.network(ON), Kept(folder, network=wb.artifacts.describe("cifar10-denoiser")["sha256"])
    problems = (network_problem(model, choosing, OTHER, kept), network_problem(model, pictures, SEED, kept))
    return Contest(*problems, wb.characters.cifar10(ON), contrast=True, kept=kept)
