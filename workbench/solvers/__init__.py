"""Training-free solvers: one file per family, and one tuple, ``ALL``, that tests, tables and benchmarks walk through."""

from workbench.solvers import noise_strength
from workbench.solvers.ancestral import Ancestral
from workbench.solvers.base import Solver
from workbench.solvers.ddcm import DDCM
from workbench.solvers.ddim import DDIM
from workbench.solvers.ddpm import DDPM
from workbench.solvers.dpm_solver_pp_2m import DPMSolverPP2M
from workbench.solvers.euler import Euler
from workbench.solvers.heun import Heun
from workbench.solvers.midpoint import Midpoint
from workbench.solvers.reference import reference
from workbench.solvers.rk4 import RK4
from workbench.solvers.runge_kutta import RungeKutta, Tableau
from workbench.solvers.sde_dpm_solver_pp import SDEDPMSolverPP

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
    Ancestral(),
    Ancestral(eta=0.5),
    DDCM(),
    SDEDPMSolverPP(order=1),
    SDEDPMSolverPP(),
    SDEDPMSolverPP(eta=0.5),
    SDEDPMSolverPP(correction="taylor"),
    SDEDPMSolverPP(face="noise"),
    SDEDPMSolverPP(order=3),
    SDEDPMSolverPP(order=3, published=True),
)

__all__ = [
    "ALL",
    "DDCM",
    "DDIM",
    "DDPM",
    "RK4",
    "Ancestral",
    "DPMSolverPP2M",
    "Euler",
    "Heun",
    "Midpoint",
    "RungeKutta",
    "SDEDPMSolverPP",
    "Solver",
    "Tableau",
    "noise_strength",
    "reference",
]
