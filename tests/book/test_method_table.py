"""The method table: every method is in it, under names that are its own."""

import method_table
import pytest
from execute import chapters

from workbench import solvers
from workbench.cite import bibliography
from workbench.plots.style import key_of

METHODS = method_table.methods()


def test_every_method_is_in_the_table():
    public = {thing for name in solvers.__all__ if isinstance(thing := getattr(solvers, name), type)}
    bases = {solvers.Solver, solvers.RungeKutta, solvers.Tableau, solvers.ModelStatistics}
    assert set(METHODS) == public - bases
    assert sum(map(len, METHODS.values())) == len(solvers.ALL) + 2 + 3


def test_a_name_belongs_to_one_method():
    owner = {key_of(method.__name__): method for method in METHODS}
    for method in METHODS:
        for name in method.other_names:
            assert owner.setdefault(key_of(name), method) is method, f"{name} is also {owner[key_of(name)].__name__}"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_row_leads_to_a_chapter_and_a_paper(method):
    assert f"notebooks/{method_table.chapter_of(method)}" in chapters()
    assert method.paper in bibliography()
    order, price, noise = method_table.facts(method, METHODS[method])
    assert order
    assert price
    assert noise in ("no", "yes", "no or yes")


def test_facts_of_known_methods():
    facts = {method.__name__: method_table.facts(method, tried) for method, tried in METHODS.items()}
    assert facts["DDIM"] == ("1", "1", "no or yes")
    assert facts["RK4"] == ("4", "4", "no")
    assert facts["DPMSolver"] == ("1, 2, 3", "1, 2, 3", "no")
    assert facts["DPMSolver23"][1] == "by its tolerance"
    assert facts["DPMSolverPP2M"] == ("2", "1", "no")


def test_programs_names_are_known():
    names = {name for method in METHODS for name in method.other_names}
    assert {"dpmpp_2m", "DPM++ 2M", "k_dpm_2", "EulerDiscreteScheduler", "PLMS", "Euler a", "DPMSolverMultistepScheduler"} <= names
