"""The scheduler of diffusers that carries the name of each of our solvers, set up to do the same thing."""

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from torch import Tensor

import workbench as wb

Peer = tuple[str, dict[str, Any], dict[str, Any]]  # class of theirs without "Scheduler", its settings, arguments of its step


def _ddim(solver) -> Peer:
    return "DDIM", {"clip_sample": False, "timestep_spacing": "trailing"}, {"eta": solver.eta}


def _ddpm(solver) -> Peer:
    return "DDPM", {"clip_sample": False, "variance_type": f"fixed_{solver.variance}", "timestep_spacing": "trailing"}, {}


def _if_in_rho(name: str) -> Callable[[Any], Peer | None]:
    return lambda solver: (name, {}, {}) if solver.variable == "rho" and not getattr(solver, "churn", 0) else None


def _multistep(solver, **settings) -> Peer | None:
    if solver.face == "noise":
        settings |= {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}
    return "DPMSolverMultistep", {"solver_order": int(solver.order), **settings}, {}


def _2m(solver) -> Peer | None:
    return _multistep(solver, solver_type={"midpoint": "midpoint", "taylor": "heun"}[solver.correction])


def _sde(solver) -> Peer | None:
    same = solver.order < 3 and solver.eta == 1 and solver.face == "data"
    return _multistep(solver, algorithm_type="sde-dpmsolver++") if same else None


def _singlestep(solver) -> Peer | None:
    if solver.correction != "midpoint":
        return None
    kind = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"} if solver.face == "noise" else {}
    return "DPMSolverSinglestep", {"solver_order": int(solver.order), "lower_order_final": True, **kind}, {}


def _deis(solver) -> Peer | None:
    return ("DEISMultistep", {"solver_order": solver.order}, {}) if solver.variable == "log_rho" and solver.order < 4 else None


def _unipc(solver) -> Peer | None:
    if solver.variant == "varying" or solver.order > 3:
        return None
    kind = {"solver_type": solver.variant.replace("B", "bh"), "predict_x0": solver.face == "data"}
    off = {} if solver.corrector else {"disable_corrector": list(range(1000))}
    return "UniPCMultistep", {"solver_order": solver.order, **kind, **off}, {}


def _sa(solver) -> Peer | None:
    if solver.tau != 1 or solver.face != "data" or not solver.corrector or max(solver.predictor, solver.corrector - 1) > 3:
        return None
    return "SASolver", {"predictor_order": solver.predictor, "corrector_order": solver.corrector, "tau_func": lambda _: 1.0}, {}


PEERS: dict[str, Callable[[Any], Peer | None]] = {
    "Euler": _if_in_rho("EulerDiscrete"),
    "Heun": _if_in_rho("HeunDiscrete"),
    "DDIM": _ddim,
    "DDPM": _ddpm,
    "Ancestral": lambda solver: ("EulerAncestralDiscrete", {}, {}) if solver.eta == 1 else None,
    "DPMSolver": _singlestep,
    "DPMSolverPP2S": _singlestep,
    "DPMSolverPP3S": _singlestep,
    "DPMSolverPP2M": _2m,
    "DPMSolverPP3M": lambda solver: _multistep(solver) if solver.face == "data" else None,
    "SDEDPMSolverPP": _sde,
    "DEIS": _deis,
    "LMS": lambda solver: ("LMSDiscrete", {}, {"order": solver.order}),
    "PNDM": lambda solver: ("PNDM", {}, {}),
    "SPNDM": lambda solver: ("PNDM", {"skip_prk_steps": True}, {}) if solver.order == 4 else None,
    "IPNDM": lambda solver: ("IPNDM", {}, {}) if solver.order == 4 else None,
    "UniPC": _unipc,
    "SASolver": _sa,
}
ONLY_NOISE = ("EulerAncestralDiscrete", "LMSDiscrete", "PNDM", "IPNDM")  # schedulers that cannot be given a data prediction


def peer(solver: wb.solvers.Solver, face: str = "noise") -> Peer | None:
    """The scheduler of diffusers for this solver and a model that predicts ``face``, or None."""
    find = PEERS.get(type(solver).__name__)
    found = find(solver) if find else None
    return None if found is None or (face == "data" and found[0] in ONLY_NOISE) else found


def scheduler(name: str, face: str = "noise", **settings):
    """A scheduler of diffusers that is given ``face``; it takes the linear betas of DDPM."""
    import diffusers

    told = {"noise": "epsilon", "data": "sample"}[face]
    betas = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", "prediction_type": told}
    if name == "IPNDM":
        betas = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # some of its algorithms are deprecated
        return getattr(diffusers, f"{name}Scheduler")(**betas, **settings)


def label(solver: wb.solvers.Solver) -> str:
    """The class with the settings that are not its defaults."""
    import dataclasses

    defaults = {field.name: field.default for field in dataclasses.fields(solver)}
    settings = ", ".join(f"{k}={v!r}" for k, v in vars(solver).items() if k in defaults and v != defaults[k])
    return f"{type(solver).__name__}({settings})"


SPACINGS = {
    "timestep_spacing": ("leading", "linspace", "trailing"),
    "use_karras_sigmas": (True,),
    "use_exponential_sigmas": (True,),
    "use_beta_sigmas": (True,),
    "use_lu_lambdas": (True,),
}
FAMILIES: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = (
    ("DDIM", ({"clip_sample": False},)),
    ("PNDM", ({"skip_prk_steps": True, "set_alpha_to_one": True},)),
    ("EulerDiscrete", ({},)),
    ("HeunDiscrete", ({},)),
    ("KDPM2Discrete", ({},)),
    ("LMSDiscrete", ({},)),
    ("DPMSolverMultistep", tuple({"solver_order": p} for p in (2, 3))),
    ("DPMSolverSinglestep", tuple({"solver_order": p, "lower_order_final": True} for p in (2, 3))),
    ("DEISMultistep", tuple({"solver_order": p} for p in (2, 3))),
    ("UniPCMultistep", tuple({"solver_order": p, "solver_type": b} for p in (2, 3) for b in ("bh1", "bh2"))),
)


def options() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(scheduler, spacing, settings): every deterministic scheduler with every spacing that it offers."""
    import diffusers

    for name, variants in FAMILIES:
        offered = inspect.signature(getattr(diffusers, f"{name}Scheduler")).parameters
        for settings in variants:
            yield from ((name, {key: value}, settings) for key, values in SPACINGS.items() for value in values if key in offered)


def steps_within(name: str, budget: int) -> int:
    """How many steps a scheduler takes with this many evaluations, when it runs to 0."""
    return {"HeunDiscrete": (budget + 1) // 2, "KDPM2Discrete": (budget + 1) // 2, "PNDM": budget - 1}.get(name, budget)


def drive(problem, name: str, budget: int, **settings) -> float | None:
    """Error of a scheduler at t = 0; None where it fails."""
    x = ends(problem, name, budget, **settings)
    return None if x is None else problem.error(x, problem.law.schedule.t_first, 0.0)


def ends(problem, name: str, budget: int, **settings) -> Tensor | None:
    """Where a scheduler ends at t = 0, given the exact noise prediction at its own noise levels; None where it fails.

    It starts where its pipelines do: from unit noise times its ``init_noise_sigma``.
    """
    law, schedule = problem.law, problem.law.schedule
    try:
        made = copy.deepcopy(_made(name, tuple(settings.items())))
        made.set_timesteps(steps_within(name, budget))
        x = problem.start(schedule.t_first) / schedule.sigma(schedule.t_first) * float(made.init_noise_sigma)
        for calls, n in enumerate(made.timesteps, 1):
            asked = made.scale_model_input(x, n)
            x = made.step(law.noise(asked, _time(made, schedule, n)), n, x).prev_sample
    except (IndexError, RuntimeError, ValueError, ZeroDivisionError):
        return None
    assert calls <= budget, f"{name} took {calls} evaluations of {budget}"
    return x


@cache
def _made(name: str, settings: tuple[tuple[str, Any], ...]):
    """One that has not taken a step; some take a second to make."""
    return scheduler(name, **dict(settings))


def _time(made, schedule: wb.schedules.Schedule, n) -> float:
    """The time at which a scheduler asks its model, from its own noise level where it has one."""
    if not hasattr(made, "sigmas"):
        return (int(n) + 1) / schedule.levels
    if made.step_index is None:
        made._init_step_index(n)
    levels = (
        made.sigmas if getattr(made, "state_in_first_order", True) or not hasattr(made, "sigmas_interpol") else made.sigmas_interpol
    )
    return min(schedule.inverse_log_snr(-math.log(float(levels[made.step_index]))), schedule.t_max)
