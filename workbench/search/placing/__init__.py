"""Where to put the steps, for this model and this solver: four ways to search, and one judge.  Book: ``solvers/where_to_put_the_steps``."""

from workbench.search.placing.all_directions import all_directions
from workbench.search.placing.by_cost import DynamicProgramming
from workbench.search.placing.by_density import ErrorDensity, equal_shares
from workbench.search.placing.by_evolution import Evolving
from workbench.search.placing.by_refining import Refining
from workbench.search.placing.cheapest_path import cheapest_path
from workbench.search.placing.found_grid import FoundGrid
from workbench.search.placing.genome import Genome
from workbench.search.placing.grid_search import grid
from workbench.search.placing.judge import Judge
from workbench.search.placing.stepwise import Stepwise
from workbench.search.placing.teacher import Teacher, teach

__all__ = [
    "DynamicProgramming",
    "ErrorDensity",
    "Evolving",
    "FoundGrid",
    "Genome",
    "Judge",
    "Refining",
    "Stepwise",
    "Teacher",
    "all_directions",
    "cheapest_path",
    "equal_shares",
    "grid",
    "teach",
]
