"""One small evolutionary search: bits of layers, dropped blocks and grids of times are its clients.

A client brings a start, a mutation that keeps what must be kept, and a fitness; :func:`evolve` does the rest.
"""

from workbench.search.cascade import Cascade, Searched
from workbench.search.coefficients import Learned, coefficients
from workbench.search.compensation import Compensation, compensation
from workbench.search.evolution import evolve
from workbench.search.found import Found, Generation
from workbench.search.settings import Evolution, Stage
from workbench.search.switches import number_of_switches
from workbench.search.teacher import trajectory

__all__ = [
    "Cascade",
    "Compensation",
    "Evolution",
    "Found",
    "Generation",
    "Learned",
    "Searched",
    "Stage",
    "coefficients",
    "compensation",
    "evolve",
    "number_of_switches",
    "trajectory",
]
