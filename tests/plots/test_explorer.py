"""The explorer: real widgets with a kernel, and not a trace of one on a static page."""

import pytest

from workbench import plots


def draw(power, flip=False):
    sign = -1 if flip else 1
    return plots.curves({f"power {power:g}": ([1, 2, 3], [sign, sign * 2**power, sign * 3**power])})


def test_static_page_has_a_figure_and_no_widget(monkeypatch):
    monkeypatch.setenv("WORKBENCH_STATIC", "1")
    bundle = plots.explorer(draw, power=(1, 4))._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert "Run this page live" in bundle["text/html"]
    assert "power = 2" in bundle["text/html"]
    assert 'alt="Line plot of y against x. power 2:' in bundle["text/html"]


def test_live_widget_recomputes_any_value():
    box = plots.explorer(draw, power=(1, 4), flip=False).widget()
    slider, check, output = box.children
    before = output.value
    slider.value = 3
    assert "power 3: 1 at 1, 27 at 3" in output.value
    assert output.value != before
    check.value = True
    assert "-27 at 3" in output.value


def test_an_error_is_shown_where_the_reader_looks():
    def broken(k):
        if k > 1:
            raise ValueError("k is <too> large")
        return draw(k)

    box = plots.explorer(broken, k=(0, 4, 1, 0)).widget()
    box.children[0].value = 3
    assert "ValueError: k is &lt;too&gt; large" in box.children[1].value


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ((1, 4), 2),
        ((0.0, 1.0), 0.5),
        ((0, 10, 5), 5),
        ((0, 10, 1, 7), 7),
        ([3, 1, 2], 3),
        (range(2, 9), 2),
        (True, True),
    ],
)
def test_where_a_slider_starts(given, start):
    assert plots.explorer(draw, power=given).start["power"] == pytest.approx(start)


@pytest.mark.parametrize("given", [(1,), (4, 1), (1, 4, 0), (1, 4, 1, 9), [], "abc", 3])
def test_unclear_sliders_are_refused(given):
    with pytest.raises((ValueError, TypeError), match="power"):
        plots.explorer(draw, power=given)


def test_no_sliders_and_no_plot_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        plots.explorer(draw)
    with pytest.raises(TypeError, match="must return a Plot"):
        plots.explorer(lambda k: k, k=(1, 2)).plot()
