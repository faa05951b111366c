"""The figure object: alt text, display, weight, and nothing left behind."""

import base64
import io
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from workbench.plots import Plot, curves
from workbench.plots.plot import encode


@pytest.fixture
def plot():
    return curves({"DDIM": ([1, 2, 3], [3.0, 2.0, 1.0])}, caption="One < two")


def test_unpacks_to_figure_and_alt(plot):
    figure, alt = plot
    assert isinstance(figure, Figure)
    assert alt == plot.alt
    assert len(plot) == 2


def test_bundle_shows_the_picture_once_with_escaped_alt_and_caption(plot):
    bundle = plot._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == plot.alt
    page = bundle["text/html"]
    assert page.count("<img") == 1
    assert f'alt="{plot.alt}"' in page
    assert "One &lt; two</figcaption>" in page
    assert "http" not in page
    content = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", page)[1])
    picture = Image.open(io.BytesIO(content))
    assert picture.mode in ("P", "RGB"), "opaque: a transparent picture is unreadable on a dark page"
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_quotes_in_labels_cannot_leave_the_attribute():
    page = curves({'say "hi" <b>': ([1, 2], [1, 2])}).html()
    assert 'alt="Line plot of y against x. say &quot;hi&quot; &lt;b&gt;' in page


def test_the_same_plot_is_the_same_bytes(plot):
    again = curves({"DDIM": ([1, 2, 3], [3.0, 2.0, 1.0])}, caption="One < two")
    assert plot.html() == again.html() == plot.html()


def test_settings_and_pyplot_are_left_alone(plot):
    before = dict(matplotlib.rcParams)
    plot.html()
    curves({"a": ([1, 2], [1, 2])})
    assert dict(matplotlib.rcParams) == before
    code = (
        "import sys; from workbench import plots; plots.curves({'a': ([1, 2], [1, 2])}).html(); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_draws_nothing():
    code = "import sys, workbench; assert not {'matplotlib', 'IPython', 'sympy', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_save(plot, tmp_path, ending):
    path = plot.save(tmp_path / f"figure.{ending}")
    assert path.stat().st_size > 1000


def test_captioned_keeps_the_original(plot):
    other = plot.captioned("Another")
    assert (plot.caption, other.caption) == ("One < two", "Another")
    assert other.alt == plot.alt


@pytest.mark.parametrize("alt", ["", "png", "a figure"])
def test_lazy_alt_text_is_refused(alt):
    with pytest.raises(ValueError, match="say in a sentence"):
        Plot(Figure(), alt)


def test_a_palette_only_where_the_eye_cannot_tell():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert Image.open(io.BytesIO(encode(noise))).mode == "RGB"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode(noise)))), noise)
    flat = np.repeat(noise[:2], 20, axis=0)[:, :2].repeat(20, axis=1)
    assert Image.open(io.BytesIO(encode(flat))).mode == "P"
