"""Training-free solvers: one file per family, and one tuple, ``ALL``, that tests, tables and benchmarks walk through."""

from workbench.solvers.base import Solver
from workbench.solvers.ddim import DDIM
from workbench.solvers.ddpm import DDPM
from workbench.solvers.dpm_solver import DPMSolver
from workbench.solvers.dpm_solver_fast import DPMSolverFast
from workbench.solvers.dpm_solver_pairs import DPMSolver12, DPMSolver23
from workbench.solvers.dpm_solver_pp_2m import DPMSolverPP2M
from workbench.solvers.dpm_solver_pp_singlestep import DPMSolverPP2S, DPMSolverPP3S
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
    DPMSolver(order=1),
    DPMSolver(order=2),
    DPMSolver(order=2, correction="taylor", r1=0.7),
    DPMSolver(order=3),
    DPMSolver(order=3, correction="taylor", r1=0.4, r2=1.0),
    DPMSolverFast(remainder=0),
    DPMSolverFast(remainder=1, face="data"),
    DPMSolverFast(remainder=2),
    DPMSolverPP2S(),
    DPMSolverPP2S(correction="taylor"),
    DPMSolverPP3S(),
    DPMSolverPP3S(r1=0.25, r2=0.5),
)

__all__ = [
    "ALL",
    "DDIM",
    "DDPM",
    "RK4",
    "DPMSolver",
    "DPMSolver12",
    "DPMSolver23",
    "DPMSolverFast",
    "DPMSolverPP2M",
    "DPMSolverPP2S",
    "DPMSolverPP3S",
    "Euler",
    "Heun",
    "Midpoint",
    "RungeKutta",
    "Solver",
    "Tableau",
    "reference",
]
