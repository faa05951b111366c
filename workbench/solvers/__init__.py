"""Training-free solvers: one file per family, and one tuple, ``ALL``, that tests, tables and benchmarks walk through."""

from workbench.solvers.base import Solver
from workbench.solvers.ddim import DDIM
from workbench.solvers.ddpm import DDPM
from workbench.solvers.dpm_solver_pp_2m import DPMSolverPP2M
from workbench.solvers.euler import Euler
from workbench.solvers.heun import Heun
from workbench.solvers.ipndm import IPNDM
from workbench.solvers.lms import LMS
from workbench.solvers.midpoint import Midpoint
from workbench.solvers.pndm import PNDM
from workbench.solvers.reference import reference
from workbench.solvers.rk4 import RK4
from workbench.solvers.runge_kutta import RungeKutta, Tableau
from workbench.solvers.spndm import SPNDM

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
    PNDM(),
    SPNDM(),
    SPNDM(order=4),
    IPNDM(order=2),
    IPNDM(order=3),
    IPNDM(),
    LMS(order=2),
    LMS(order=3),
    LMS(),
)

__all__ = [
    "ALL",
    "DDIM",
    "DDPM",
    "IPNDM",
    "LMS",
    "PNDM",
    "RK4",
    "SPNDM",
    "DPMSolverPP2M",
    "Euler",
    "Heun",
    "Midpoint",
    "RungeKutta",
    "Solver",
    "Tableau",
    "reference",
]
