"""Few Steps, Few Bits: a small tested package about making generative models cheap.

``import workbench as wb`` stays light: every name below is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_MODULES = (
    "artifacts",
    "checks",
    "data",
    "denoiser",
    "gaussian",
    "grids",
    "metrics",
    "network",
    "plots",
    "schedules",
    "solvers",
    "symbolic",
)
_NAMES = {
    "solve": "solve",
    "Solution": "solve",
    "Denoiser": "denoiser",
    "Guided": "denoiser",
    "Rescheduled": "denoiser",
    "NetworkDenoiser": "network",
    "EDMDenoiser": "network",
    "from_diffusers": "network",
    "cite": "cite",
    "claim": "claim",
}

__all__ = [*_MODULES, *_NAMES, "__version__"]

if TYPE_CHECKING:
    from workbench import (
        artifacts,
        checks,
        data,
        denoiser,
        gaussian,
        grids,
        metrics,
        network,
        plots,
        schedules,
        solvers,
        symbolic,
    )
    from workbench.cite import cite
    from workbench.claim import claim
    from workbench.denoiser import Denoiser, Guided, Rescheduled
    from workbench.network import EDMDenoiser, NetworkDenoiser, from_diffusers
    from workbench.solve import Solution, solve


def __getattr__(name: str):
    if name in _NAMES:
        value = getattr(import_module(f"workbench.{_NAMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"workbench.{name}")
    else:
        raise AttributeError(f"workbench has no attribute {name!r}; it offers {', '.join(sorted(__all__))}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
