"""Few Steps, Few Bits: a small tested package about making generative models cheap.

``import workbench as wb`` stays light: what draws, plots or proves is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from workbench import denoiser, grids, network, schedules, solvers
from workbench.cite import cite
from workbench.claim import claim, quoted, recorded
from workbench.denoiser import Denoiser
from workbench.guided import Guided
from workbench.network import NetworkDenoiser, from_diffusers
from workbench.preconditioned import EDMDenoiser, Preconditioned
from workbench.rescheduled import Rescheduled
from workbench.scaled_noise import ScaledNoise
from workbench.scoreboard import scoreboard
from workbench.solution import Solution
from workbench.solve import solve
from workbench.solve_adaptive import solve_adaptive
from workbench.thresholded import Thresholded

__version__ = "0.1.0"

_LATER = (
    "artifacts",
    "bridges",
    "characters",
    "checks",
    "data",
    "gaussian",
    "metrics",
    "nets",
    "plots",
    "quantizers",
    "reflow",
    "search",
    "symbolic",
    "transport",
)

__all__ = [
    "Denoiser",
    "EDMDenoiser",
    "Guided",
    "NetworkDenoiser",
    "Preconditioned",
    "Rescheduled",
    "ScaledNoise",
    "Solution",
    "Thresholded",
    "__version__",
    "cite",
    "claim",
    "denoiser",
    "from_diffusers",
    "grids",
    "network",
    "quoted",
    "recorded",
    "schedules",
    "scoreboard",
    "solve",
    "solve_adaptive",
    "solvers",
    *_LATER,
]

if TYPE_CHECKING:
    from workbench import (  # noqa: F401
        artifacts,
        bridges,
        characters,
        checks,
        data,
        gaussian,
        metrics,
        nets,
        plots,
        quantizers,
        reflow,
        search,
        symbolic,
        transport,
    )


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"workbench has no attribute {name!r}; it offers {', '.join(sorted(__all__))}")
    return import_module(f"workbench.{name}")


def __dir__():
    return sorted(__all__)
