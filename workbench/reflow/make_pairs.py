"""Make the pairs of a reflow with the book's denoiser: python -m workbench.reflow.make_pairs --out PAIRS --number 50000

Pair i is the noise of seed i and the picture that the denoiser makes of it, guided towards class i modulo ten.  Over the first steps,
where the network is Gaussian, the state jumps by the closed form (``--jump``); from there a solver takes a few steps to the data.
The pictures are stored as bytes in blocks, the noise as its seed; after an interruption the same command goes on.

Several processes share the blocks and make the same files:  torchrun --nproc_per_node 2 -m workbench.reflow.make_pairs --cpu ...
(or accelerate launch; needs the extra [train]).
"""

import argparse
import sys
from copy import deepcopy
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench import artifacts, characters, grids
from workbench.gaussian import teleport
from workbench.guided import Guided
from workbench.nets.training.processes import launched
from workbench.reflow.pairs import StoredPairs, Teacher, simulate_pairs
from workbench.schedules import VE
from workbench.solve import solve
from workbench.solvers import ALL, Solver

GRIDS = {"karras": grids.karras, "log_snr": grids.log_snr, "uniform": grids.uniform}
CLASSES, START = 10, VE().t_first
JUMP = float(grids.karras(VE(), 18, stop=0)[7])


def written(solver: Solver) -> str:
    """A solver as one writes it, with the settings that are not its defaults: Euler(variable='t')."""
    defaults = {field.name: field.default for field in fields(solver)}
    return (
        f"{type(solver).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(solver).items() if k in defaults and v != defaults[k])})"
    )


SOLVERS = {written(solver): solver for solver in ALL if not solver.stochastic}


def teacher(
    model: Any, solver: Solver, *, guidance: float = 2.0, jump: float | None = JUMP, grid: str = "karras", steps: int = 8
) -> Teacher:
    """Noise and classes to pictures: a jump of the law of ``model`` from the largest noise level, then ``steps`` of the solver.

    Args:
        model: a denoiser on ``VE()`` that takes classes, with a Gaussian ``law``.
        solver: takes no noise of its own.
        guidance: scale; 1 is the conditional model alone.
        jump: the noise level to jump to; None does not.
        grid: name of one of ``GRIDS``.
        steps: evaluations of a first-order or multistep solver.

    Raises:
        ValueError: for a jump that is not below the largest noise level.
    """
    if jump is not None and not VE().t_last < jump < START:
        raise ValueError(f"jump={jump}; it needs to be between {VE().t_last} and {START}, where the noise starts, or none")
    times = GRIDS[grid](VE(), steps, start=START if jump is None else jump, stop=0)

    def pictures(z: Tensor, labels: Tensor | None) -> Tensor:
        x = START * z
        if jump is not None:
            x = teleport(model.law, x, START, jump)
        given = model.given(labels)
        return solve(given if guidance == 1 else Guided(given, model, guidance), x, times, solver).x

    return pictures


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser("python -m workbench.reflow.make_pairs", description=__doc__, formatter_class=_Format)
    p.add_argument("--out", type=Path, required=True, help="the folder of the pairs")
    p.add_argument("--number", type=int, required=True, help="of pairs")
    p.add_argument("--guidance", type=float, default=2.0, help="scale of the guidance towards the class; 1 is none")
    p.add_argument("--jump", type=_level, default=JUMP, help="noise level to jump to in closed form, or none")
    p.add_argument(
        "--solver", choices=[*SOLVERS], default="DPMSolverPP2M()", metavar="SOLVER", help="as the package writes it: Heun()"
    )
    p.add_argument("--grid", choices=[*GRIDS], default="karras")
    p.add_argument("--steps", type=int, default=8, help="from there to the data")
    p.add_argument("--seed", type=int, default=0, help="of the noise")
    p.add_argument("--block", type=int, default=100, help="pairs a file, and a batch")
    p.add_argument("--cpu", action="store_true", help="work on the CPU even where there is a GPU")
    return p


def main(argv: list[str] | None = None) -> StoredPairs:
    """Make what is missing, and return the pairs."""
    o = parser().parse_args(argv)
    try:
        processes = launched(o.cpu)
        model = _moved(processes.device)
        way = teacher(model, SOLVERS[o.solver], guidance=o.guidance, jump=o.jump, grid=o.grid, steps=o.steps)
        about = {
            "network": artifacts.describe("cifar10-denoiser")["sha256"], "guidance": o.guidance, "jump": o.jump, "solver": o.solver,
            "grid": o.grid, "steps": o.steps,
        }  # fmt: skip
        pairs = simulate_pairs(
            _on(processes.device, way), o.out, o.number, shape=tuple(model.law.shape), seed=o.seed, classes=CLASSES, block=o.block,
            about=about, processes=processes, progress=True,
        )  # fmt: skip
        processes.close()
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on")
    return pairs


def _moved(device: torch.device) -> Any:
    model = characters.network(VE())
    if device.type == "cpu":
        return model
    return replace(model, net=deepcopy(model.net).to(device))


def _on(device: torch.device, made: Teacher) -> Teacher:
    """The same on another device: noise and classes go there, and the pictures come back."""
    return lambda z, labels: made(z.to(device), None if labels is None else labels.to(device)).cpu()


def _level(text: str) -> float | None:
    return None if text == "none" else float(text)


class _Format(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keep the text, and show defaults."""


if __name__ == "__main__":
    main()
