"""One look per method, everywhere; no two series alike in a figure."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.plots.style import CYCLE, METHODS, SCHEDULES, key_of, look, looks, name_of


@dataclass(frozen=True)
class UniPC:
    order: int = 3


class Unheard:
    pass


def test_spellings_of_one_method_share_its_look():
    for label in ("DPM-Solver++(2M)", "DPMSolverPP2M", "dpm-solver++ 2M"):
        assert look(label) in (METHODS["dpmsolverpp2m"], METHODS["dpmsolverpp"])
    for label in ("UniPC", "UniPC-3", "UniPC-3 on VP", "UniPC(order=2)", UniPC(2), UniPC()):
        assert look(label) == METHODS["unipc"]


def test_words_that_only_begin_like_a_method_are_plain_labels():
    assert look("velocity", SCHEDULES) is None
    assert look("exactly one") is None
    assert look("alpha") is None


def test_truth_is_black():
    assert {look(word).color for word in ("exact", "reference", "Exact flow")} == {"#000000"}


def test_an_unregistered_object_looks_the_same_every_time():
    assert look(Unheard()) == look(Unheard())
    assert name_of(Unheard()) == "Unheard"


def test_methods_of_one_figure_differ_by_more_than_color():
    found = looks(["UniPC-2", "UniPC-3", "UniPC-4"])
    assert len({one.color for one in found}) == 1
    assert len({(one.marker, one.line) for one in found}) == 3


def test_series_of_one_method_are_solid_then_dashed():
    found = looks(["Heun, ellipse", "Heun, ring", "Midpoint, ellipse", "Midpoint, ring"])
    assert [one.line for one in found] == ["-", "--", "-", "--"]
    assert looks(["Midpoint"])[0].line == "-."


@given(st.lists(st.sampled_from([*METHODS, "a", "b", "c", "other"]), max_size=20))
def test_never_two_alike(labels):
    found = looks(labels)
    assert len(set(found)) == len(labels)


@pytest.mark.parametrize("color", CYCLE)
def test_lines_are_visible_on_white(color):
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 3, "contrast of graphics with their background (WCAG 1.4.11)"


def test_keys_are_normalized():
    assert all(key_of(key) == key for key in (*METHODS, *SCHEDULES))


def test_every_solver_and_schedule_of_the_package_is_registered():
    from workbench import schedules, solvers

    assert [name_of(s) for s in solvers.ALL if look(s) not in METHODS.values()] == []
    kinds = (schedules.VP(), schedules.Cosine(), schedules.VE(), schedules.Rectified(), schedules.DiscreteVP.linear())
    assert [look(s, SCHEDULES) for s in kinds] == [SCHEDULES[name] for name in ("vp", "cosine", "ve", "rectified", "discretevp")]


def test_labels_name_only_what_is_not_default():
    assert name_of(UniPC()) == "UniPC"
    assert name_of(UniPC(2)) == "UniPC(order=2)"
