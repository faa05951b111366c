"""Training-free solvers: one file per family, and one tuple, ``ALL``, that tests, tables and benchmarks walk through."""

from workbench.solvers import noise_strength
from workbench.solvers.ancestral import Ancestral
from workbench.solvers.base import Solver
from workbench.solvers.budget import grid_within
from workbench.solvers.dc_solver import DCSolver
from workbench.solvers.ddcm import DDCM
from workbench.solvers.ddim import DDIM
from workbench.solvers.ddpm import DDPM
from workbench.solvers.deis import DEIS
from workbench.solvers.dpm_solver import DPMSolver
from workbench.solvers.dpm_solver_fast import DPMSolverFast
from workbench.solvers.dpm_solver_pairs import DPMSolver12, DPMSolver23
from workbench.solvers.dpm_solver_pp_2m import DPMSolverPP2M
from workbench.solvers.dpm_solver_pp_3m import DPMSolverPP3M
from workbench.solvers.dpm_solver_pp_singlestep import DPMSolverPP2S, DPMSolverPP3S
from workbench.solvers.dpm_solver_v3 import DPMSolverV3
from workbench.solvers.dual_fast import DualFast
from workbench.solvers.euler import Euler
from workbench.solvers.extrapolated import extrapolated
from workbench.solvers.heun import Heun
from workbench.solvers.ipndm import IPNDM
from workbench.solvers.lms import LMS
from workbench.solvers.midpoint import Midpoint
from workbench.solvers.model_statistics import ModelStatistics
from workbench.solvers.pndm import PNDM
from workbench.solvers.ralston2 import Ralston2
from workbench.solvers.reference import reference
from workbench.solvers.richardson import Richardson
from workbench.solvers.rk4 import RK4
from workbench.solvers.runge_kutta import RungeKutta, Tableau
from workbench.solvers.sa_solver import SASolver
from workbench.solvers.sde_dpm_solver_pp import SDEDPMSolverPP
from workbench.solvers.spndm import SPNDM
from workbench.solvers.step_choice import StepChoice
from workbench.solvers.tabulated import Tabulated
from workbench.solvers.third_order import SSPRK3, Heun3, Kutta3, Ralston3, VanDerHouwen3
from workbench.solvers.time_shift import TimeShift, variance_of_samples
from workbench.solvers.unified import Unified
from workbench.solvers.unify import unify
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
    DCSolver(),
    DCSolver(1.1, clock="lambda"),
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
    Unified(),
    Richardson(),
    Richardson(parts=3),
    Richardson(DPMSolver(order=2)),
    Richardson(DPMSolverPP2M(correction="taylor")),
    DualFast(),
    DualFast(c=0.5, growth="constant"),
)


__all__ = [
    "ALL",
    "DDCM",
    "DDIM",
    "DDPM",
    "DEIS",
    "IPNDM",
    "LMS",
    "PNDM",
    "RK4",
    "SPNDM",
    "SSPRK3",
    "Ancestral",
    "DCSolver",
    "DPMSolver",
    "DPMSolver12",
    "DPMSolver23",
    "DPMSolverFast",
    "DPMSolverPP2M",
    "DPMSolverPP2S",
    "DPMSolverPP3M",
    "DPMSolverPP3S",
    "DPMSolverV3",
    "DualFast",
    "Euler",
    "Heun",
    "Heun3",
    "Kutta3",
    "Midpoint",
    "ModelStatistics",
    "Ralston2",
    "Ralston3",
    "Richardson",
    "RungeKutta",
    "SASolver",
    "SDEDPMSolverPP",
    "Solver",
    "StepChoice",
    "Tableau",
    "Tabulated",
    "TimeShift",
    "UniPC",
    "Unified",
    "VanDerHouwen3",
    "extrapolated",
    "grid_within",
    "noise_strength",
    "reference",
    "unify",
    "variance_of_samples",
]
