"""Searching the solver: its space, its mutation, a predictor as the first sieve, and the search.  Book: ``solvers/framework_of_solvers``."""

from workbench.search.solving.found_solver import FoundSolver
from workbench.search.solving.genome import SolverSpace
from workbench.search.solving.mutation import SolverMutation
from workbench.search.solving.predictor import Predictor, Sieve
from workbench.search.solving.solver_search import BEGINNINGS, SolverJudge, solver

__all__ = ["BEGINNINGS", "FoundSolver", "Predictor", "Sieve", "SolverJudge", "SolverMutation", "SolverSpace", "solver"]
