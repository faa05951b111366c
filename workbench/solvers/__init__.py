"""Training-free solvers: one file per family, and one tuple, ``ALL``, that tests, tables and benchmarks walk through."""

from workbench.solvers.base import Solver
from workbench.solvers.ddim import DDIM
from workbench.solvers.ddpm import DDPM
from workbench.solvers.deis import DEIS
from workbench.solvers.dpm_solver_pp_2m import DPMSolverPP2M
from workbench.solvers.dpm_solver_pp_3m import DPMSolverPP3M
from workbench.solvers.euler import Euler
from workbench.solvers.heun import Heun
from workbench.solvers.midpoint import Midpoint
from workbench.solvers.ralston2 import Ralston2
from workbench.solvers.reference import reference
from workbench.solvers.rk4 import RK4
from workbench.solvers.runge_kutta import RungeKutta, Tableau
from workbench.solvers.third_order import SSPRK3, Heun3, Kutta3, Ralston3, VanDerHouwen3

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
    DPMSolverPP3M(),
    DPMSolverPP3M(face="noise"),
    DPMSolverPP3M(published=True),
    DEIS(order=2),
    DEIS(order=3),
    DEIS(order=4),
    DEIS(order=2, variable="rho"),
    DEIS(order=3, variable="rho"),
    DEIS(order=4, variable="rho"),
    DEIS(order=3, variable="log_rho"),
    DEIS(order=4, variable="log_rho"),
    Ralston2(),
    Kutta3(),
    Heun3(),
    Ralston3(),
    VanDerHouwen3(),
    SSPRK3(),
)

__all__ = [
    "ALL",
    "DDIM",
    "DDPM",
    "DEIS",
    "RK4",
    "SSPRK3",
    "DPMSolverPP2M",
    "DPMSolverPP3M",
    "Euler",
    "Heun",
    "Heun3",
    "Kutta3",
    "Midpoint",
    "Ralston2",
    "Ralston3",
    "RungeKutta",
    "Solver",
    "Tableau",
    "VanDerHouwen3",
    "reference",
]
