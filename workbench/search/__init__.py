"""Searching without gradients: one small evolutionary search, whose clients are bits of layers, dropped blocks and grids of times.

A client brings a start, a mutation that keeps what must be kept, and a fitness; :func:`evolve` does the rest.  :func:`grid` looks for
the grid of times that suits a model and a solver.
"""

from workbench.search.cascade import Cascade, Searched
from workbench.search.coefficients import Learned, coefficients
from workbench.search.compensation import Compensation, compensation
from workbench.search.evolution import evolve
from workbench.search.found import Found, Generation
from workbench.search.placing import (
    DynamicProgramming,
    ErrorDensity,
    Evolving,
    FoundGrid,
    Genome,
    Judge,
    Refining,
    Stepwise,
    Teacher,
    all_directions,
    cheapest_path,
    equal_shares,
    grid,
    teach,
)
from workbench.search.settings import Evolution, Stage
from workbench.search.solving import FoundSolver, Predictor, Sieve, SolverMutation, SolverSpace, solver
from workbench.search.switches import number_of_switches
from workbench.search.teacher import trajectory

__all__ = [
    "Cascade",
    "Compensation",
    "DynamicProgramming",
    "ErrorDensity",
    "Evolution",
    "Evolving",
    "Found",
    "FoundGrid",
    "FoundSolver",
    "Generation",
    "Genome",
    "Judge",
    "Learned",
    "Predictor",
    "Refining",
    "Searched",
    "Sieve",
    "SolverMutation",
    "SolverSpace",
    "Stage",
    "Stepwise",
    "Teacher",
    "all_directions",
    "cheapest_path",
    "coefficients",
    "compensation",
    "equal_shares",
    "evolve",
    "grid",
    "number_of_switches",
    "solver",
    "teach",
    "trajectory",
]
