"""One small evolutionary search: bits of layers, dropped blocks and grids of times are its clients.

A client brings a start, a mutation that keeps what must be kept, and a fitness; :func:`evolve` does the rest.
"""

from workbench.search.evolution import evolve
from workbench.search.found import Found, Generation
from workbench.search.settings import Evolution, Stage
from workbench.search.solving import FoundSolver, Predictor, Sieve, SolverMutation, SolverSpace, solver
from workbench.search.switches import number_of_switches

__all__ = [
    "Evolution",
    "Found",
    "FoundSolver",
    "Generation",
    "Predictor",
    "Sieve",
    "SolverMutation",
    "SolverSpace",
    "Stage",
    "evolve",
    "number_of_switches",
    "solver",
]
