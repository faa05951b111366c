"""Training-free solvers: one file per family, and one tuple, ``ALL``, that tests, tables and benchmarks walk through."""

from workbench.solvers.base import Solver
from workbench.solvers.budget import grid_within
from workbench.solvers.ddim import DDIM
from workbench.solvers.ddpm import DDPM
from workbench.solvers.dpm_solver_pp_2m import DPMSolverPP2M
from workbench.solvers.euler import Euler
from workbench.solvers.heun import Heun
from workbench.solvers.midpoint import Midpoint
from workbench.solvers.reference import reference
from workbench.solvers.rk4 import RK4
from workbench.solvers.runge_kutta import RungeKutta, Tableau

ALL: tuple[Solver, ...] = (
    Euler(),
    Euler(variable="t"),
    DDIM(),
    DDIM(eta=0.5),
    DDIM(eta=1.0),
    DDPM(),
    DDPM(variance="large"),
    Heun(),
    Heun(churn=10.0),
    Midpoint(),
    Midpoint(variable="t"),
    RK4(),
    RK4(variable="t"),
    DPMSolverPP2M(),
    DPMSolverPP2M(correction="taylor"),
    DPMSolverPP2M(face="noise"),
)

__all__ = [
    "ALL",
    "DDIM",
    "DDPM",
    "RK4",
    "DPMSolverPP2M",
    "Euler",
    "Heun",
    "Midpoint",
    "RungeKutta",
    "Solver",
    "Tableau",
    "grid_within",
    "reference",
]
