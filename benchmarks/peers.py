"""The scheduler of diffusers that carries the name of each of our solvers, set up to do the same thing."""

from collections.abc import Callable
from typing import Any

import workbench as wb

Peer = tuple[str, dict[str, Any], dict[str, Any]]  # class of theirs without "Scheduler", its settings, arguments of its step


def _multistep(algorithm: str) -> Callable[[Any], Peer]:
    return lambda solver: ("DPMSolverMultistep", {"solver_order": int(solver.order), "algorithm_type": algorithm}, {})


def _ddim(solver) -> Peer:
    return "DDIM", {"clip_sample": False, "timestep_spacing": "trailing"}, {"eta": solver.eta}


def _ddpm(solver) -> Peer:
    return "DDPM", {"clip_sample": False, "variance_type": f"fixed_{solver.variance}", "timestep_spacing": "trailing"}, {}


def _if_in_rho(name: str) -> Callable[[Any], Peer | None]:
    return lambda solver: (name, {}, {}) if solver.variable == "rho" and not getattr(solver, "churn", 0) else None


def _2m(solver) -> Peer | None:
    if solver.face == "noise":
        return "DPMSolverMultistep", {"solver_order": 2, "algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}, {}
    kind = {"midpoint": "midpoint", "taylor": "heun"}[solver.correction]
    return "DPMSolverMultistep", {"solver_order": 2, "algorithm_type": "dpmsolver++", "solver_type": kind}, {}


PEERS: dict[str, Callable[[Any], Peer | None]] = {
    "Euler": _if_in_rho("EulerDiscrete"),
    "Heun": _if_in_rho("HeunDiscrete"),
    "DDIM": _ddim,
    "DDPM": _ddpm,
    "DPMSolverPP2M": _2m,
}


def peer(solver: wb.solvers.Solver) -> Peer | None:
    """Name and settings of the scheduler of diffusers for this solver, or None."""
    find = PEERS.get(type(solver).__name__)
    return find(solver) if find else None


def scheduler(name: str, face: str = "noise", **settings):
    """A scheduler of diffusers that is given ``face``; it takes the linear betas of DDPM."""
    import diffusers

    told = {"noise": "epsilon", "data": "sample"}[face]
    return getattr(diffusers, f"{name}Scheduler")(**{"prediction_type": told, **settings})


def label(solver: wb.solvers.Solver) -> str:
    """The class with the settings that are not its defaults."""
    import dataclasses

    defaults = {field.name: field.default for field in dataclasses.fields(solver)}
    settings = ", ".join(f"{k}={v!r}" for k, v in vars(solver).items() if k in defaults and v != defaults[k])
    return f"{type(solver).__name__}({settings})"
