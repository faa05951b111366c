"""Training-free solvers: one file per family, and one tuple, ``ALL``, that tests, tables and benchmarks walk through."""

from workbench.solvers import noise_strength
from workbench.solvers.ancestral import Ancestral
from workbench.solvers.base import Solver
from workbench.solvers.budget import grid_within
from workbench.solvers.ddcm import DDCM
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
from workbench.solvers.sa_solver import SASolver
from workbench.solvers.sde_dpm_solver_pp import SDEDPMSolverPP
from workbench.solvers.spndm import SPNDM
from workbench.solvers.unipc import UniPC

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
    UniPC(order=1),
    UniPC(order=1, variant="B1", face="noise"),
    UniPC(order=2),
    UniPC(order=2, corrector=False),
    UniPC(),
    UniPC(order=2, variant="varying"),
    UniPC(face="noise"),
    SASolver(),
    SASolver(predictor=2, corrector=2, published=True),
    SASolver(predictor=3, corrector=0, tau=0.5),
    SASolver(predictor=2, corrector=3, tau=(0.2, 0.8, 1.0)),
    SASolver(predictor=2, corrector=2, face="noise"),
    SASolver(predictor=2, corrector=3, tau=0.0),
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
    "DDCM",
    "DDIM",
    "DDPM",
    "IPNDM",
    "LMS",
    "PNDM",
    "RK4",
    "SPNDM",
    "Ancestral",
    "DPMSolverPP2M",
    "Euler",
    "Heun",
    "Midpoint",
    "RungeKutta",
    "SASolver",
    "SDEDPMSolverPP",
    "Solver",
    "Tableau",
    "UniPC",
    "grid_within",
    "noise_strength",
    "reference",
]
