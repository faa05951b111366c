"""The score of a Gaussian law at CIFAR-10 size (d = 3072): low rank plus floor against the full matrix.

Four ways to the same kind of answer, float32 states, a new noise level at every call:

    solve      factor the d x d matrix alpha^2 Sigma + sigma^2 I at each noise level (Cholesky), then solve
    full       all 3072 eigenvectors: two d x d products
    rank r     r eigenvectors and a floor: two d x r products, no d x d matrix anywhere

Each runs in a process of its own, so that its peak memory is its own: construction, checks and casts included, beyond torch, the
package and the input.  The eigenvectors are cosines, which are orthonormal as they stand.
"""

import itertools
import json
import math
import subprocess
import sys

import torch

import workbench as wb
from benchmarks.record import parser, report, seconds

DIM, BATCHES, RANKS = 3072, (1, 64), (512, 768)


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def cosines(rank: int) -> torch.Tensor:
    """(d, rank) orthonormal columns."""
    places, waves = torch.arange(DIM, dtype=torch.float64) + 0.5, torch.arange(rank, dtype=torch.float64)
    basis = torch.outer(places, waves).mul_(math.pi / DIM).cos_().mul_(math.sqrt(2 / DIM))
    basis[:, 0] /= math.sqrt(2)
    return basis


def spectrum(rank: int) -> torch.Tensor:
    """Eigenvalues falling like those of natural images."""
    return 220 / (1 + torch.arange(rank, dtype=torch.float64)) ** 1.3


def score(method: str, schedule: wb.schedules.VE):
    """(x, sigma) -> the score, for a law with mean 0."""
    if method == "solve":
        basis = cosines(DIM)
        matrix = ((basis * spectrum(DIM)) @ basis.T).float()
        del basis

        def solve(x: torch.Tensor, sigma: float) -> torch.Tensor:
            total = matrix.clone()
            total.diagonal().add_(sigma * sigma)
            return -torch.cholesky_solve(x.T, torch.linalg.cholesky(total)).T

        return solve
    rank = DIM if method == "full" else int(method.split()[1])
    covariance = wb.gaussian.LowRank(cosines(rank), spectrum(rank), float(spectrum(DIM)[rank:].mean()) if rank < DIM else 0.0)
    return wb.gaussian.GaussianDenoiser(torch.zeros(DIM), covariance, schedule).score


def one(method: str, batch: int) -> dict:
    """Time and memory of one method, to be run in a fresh process."""
    schedule = wb.schedules.VE()
    x = torch.randn(batch, DIM, generator=torch.Generator().manual_seed(0))
    x @ x.T
    wb.gaussian  # noqa: B018  (imported before memory is first read)
    before = peak_mb()
    run = score(method, schedule)
    levels = itertools.cycle(0.05 * 1.0001**i for i in range(400))
    took = seconds(lambda: run(x, next(levels)), repeats=3 if method == "solve" else 7)
    return {"seconds": took, "peak_mb": peak_mb() - before}


def main() -> None:
    """Compare, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--one", nargs=2, metavar=("METHOD", "BATCH"), help="measure one method in this process")
    arguments = options.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], int(arguments.one[1]))))
        return
    rows = []
    for batch in BATCHES:
        results = {}
        for method in ("full", "solve", *(f"rank {rank}" for rank in RANKS)):
            command = [sys.executable, "-m", "benchmarks.low_rank_score", "--one", method, str(batch)]
            results[method] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for method, result in results.items():
            rows.append(
                {
                    "batch": batch,
                    "method": method,
                    "ms": 1e3 * result["seconds"],
                    "time / full": result["seconds"] / results["full"]["seconds"],
                    "peak MB": result["peak_mb"],
                    "memory / full": result["peak_mb"] / results["full"]["peak_mb"],
                }
            )
    report("low_rank_score", rows, arguments.json, seed=0)


if __name__ == "__main__":
    main()
