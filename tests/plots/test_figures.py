"""Every figure function: what its alt text says comes from the data, and bad data is refused with a useful message."""

import math
import re

import pytest
import torch

import workbench as wb
from workbench import plots

N = torch.tensor([5.0, 10, 20, 40, 80])


class Rectified:
    t_first, t_last = 0.999, 0.001

    def alpha(self, t):
        return 1 - t

    def sigma(self, t):
        return t

    def log_snr(self, t):
        return torch.log((1 - t) / t)


class VE:
    t_first, t_last = 80.0, 0.002

    def alpha(self, t):
        return torch.ones_like(t)

    def sigma(self, t):
        return t

    def log_snr(self, t):
        return -torch.log(t)


def normal(n, generator=None, scale=1.0):
    return scale * torch.randn(n, 2, generator=generator or torch.Generator().manual_seed(0))


def log_normal(x):
    return -x.square().sum(1) / 2 - math.log(2 * math.pi)


CALLS = {
    "scatter": lambda: plots.scatter({"data": normal(300), "DDIM": normal(40)}, log_prob=log_normal),
    "clouds": lambda: plots.clouds({str(k): normal(50) for k in range(5)}, log_prob=log_normal),
    "trajectories": lambda: plots.trajectories({"Euler": torch.stack([normal(9), normal(9) * 0.5, normal(9) * 0.1])}),
    "schedules": lambda: plots.schedules([Rectified(), VE()]),
    "schedules in lambda": lambda: plots.schedules({"straight": Rectified()}, in_log_snr=True),
    "grid_points": lambda: plots.grid_points({"uniform": torch.linspace(1, 0, 5)}, schedule=Rectified()),
    "convergence": lambda: plots.convergence({"DDIM": (N, 2 / N), "UniPC": (N, 9 / N**3)}),
    "side_by_side": lambda: plots.side_by_side({"one": {"a": N}, "two": {"a": N**2}}, x=N, logx=True, logy=True),
    "curves": lambda: plots.curves({"a": N, "b": N**2}, x=N, logx=True, logy=True),
    "spectrum": lambda: plots.spectrum({"moments": 1 / torch.arange(1.0, 200)}, noise={"sigma = 0.1": 0.1}),
    "field": lambda: plots.field(lambda x: -x, log_prob=log_normal),
    "streams": lambda: plots.field({"in": lambda x: -x, "out": lambda x: x}, extent=(-2, 2, -2, 2), stream=True),
    "density": lambda: plots.density(log_normal, samples=normal(20)),
    "densities": lambda: plots.density({"one": log_normal, "two": log_normal}, extent=3),
    "images": lambda: plots.images({"exact": torch.zeros(3, 3, 8, 8)}, column_labels=[5, 10, 20]),
    "gray images": lambda: plots.images(torch.zeros(5, 1, 8, 8)),
    "histogram": lambda: plots.histogram({"a": N}, density=lambda x: torch.exp(-x)),
    "heatmap": lambda: plots.heatmap(torch.eye(3), row_labels=[2, 4, 8]),
    "bars": lambda: plots.bars({"DDIM": 1.5, "UniPC": torch.tensor(0.5)}),
    "chains": lambda: plots.chains({"1 look": ["DDIM", "Euler"], "2 looks": [f"UniPC(order={k})" for k in range(9)]}),
    "grouped bars": lambda: plots.bars({"DDIM": {"8 bits": 1.0, "4 bits": 2}, "UniPC": {"8 bits": 3.0}}, log=True),
}


@pytest.mark.parametrize("name", CALLS)
def test_draws_labeled_and_described(name):
    plot = CALLS[name]()
    assert isinstance(plot, plots.Plot)
    assert 35 < len(plot.alt) < 900
    assert plot.alt.endswith(".")
    assert re.search(r"\d", plot.alt), "alt text reports numbers"
    assert "nan" not in plot.alt.lower()
    assert len(plot.png()) < 150_000
    if "images" not in name and name != "chains":
        shown = [axis for axis in plot.figure.axes if axis.get_visible()]
        assert any(axis.get_xlabel() for axis in shown)


def test_crowded_column_labels_of_a_heat_map_are_turned():
    for labels, turned in ((["a", "b"], 0), (["cosine_angle", "exponential", "flow_shift", "quadratic"], 30)):
        (axis, _) = plots.heatmap(torch.ones(2, len(labels)), column_labels=labels, row_labels=["long row label", "b"]).figure.axes
        assert {label.get_rotation() for label in axis.get_xticklabels()} == {turned}
        assert {label.get_rotation() for label in axis.get_yticklabels()} == {0}


def test_chains_break_into_lines_that_fit_and_say_every_equality():
    names = [f"UniPC(order={k})" for k in range(9)]
    plot = plots.chains({"many": names})
    assert f"many: {' = '.join(names)}" in plot.alt
    (axis,) = plot.figure.axes
    boxes = [text for text in axis.texts if text.get_text() in names]
    assert len(boxes) == 9 and len({text.get_position()[1] for text in boxes}) > 1
    assert sum(text.get_text() == "=" for text in axis.texts) == 8
    plot.pixels()
    extents = [text.get_window_extent() for text in axis.texts]
    assert all(e.x1 <= plot.figure.bbox.x1 for e in extents), "a box sticks out"
    lines = {}
    for text, extent in zip(axis.texts, extents, strict=True):
        lines.setdefault(text.get_position()[1], []).append(extent)
    assert all(a.x1 <= b.x0 + 1 for line in lines.values() for a, b in zip(line, line[1:], strict=False)), "boxes overlap"


@pytest.mark.parametrize("families", [{}, {"one": ["DDIM"]}])
def test_chains_refuse_what_is_no_equality(families):
    with pytest.raises(ValueError, match="needs at least"):
        plots.chains(families)


def test_schedules_and_grids_of_the_package():
    every = [wb.schedules.VP(), wb.schedules.Cosine(), wb.schedules.VE(), wb.schedules.Rectified()]
    plot = plots.schedules(every)
    assert "VP, Cosine, VE and Rectified" in plot.alt
    assert "sigma 0.002 to 80" in plot.alt
    vp = every[0]
    grids = {"log-SNR": wb.grids.log_snr(vp, 8, stop=0.0), "uniform": wb.grids.uniform(vp, 4, stop=1e-3)}
    assert "log-SNR: 8 steps from 1 to 0" in plots.grid_points(grids, schedule=vp).alt


def test_runs_of_the_package():
    vp, rng = wb.schedules.VP(), torch.Generator().manual_seed(0)
    grid = wb.grids.log_snr(vp, 6, stop=1e-3)
    law = wb.gaussian.GaussianDenoiser.fit(normal(200), vp)
    noise = vp.prior((20, 2), grid[0], generator=rng)
    runs = {s: wb.solve(law, noise, grid, s, trajectory=True) for s in (wb.solvers.DDIM(), wb.solvers.Heun())}
    plot = plots.trajectories(runs, exact=law.flow(noise, grid[0], grid[-1]))
    assert "DDIM: 6 steps" in plot.alt
    assert "Heun: 6 steps" in plot.alt


def test_convergence_measures_the_order_of_the_last_points():
    plot = plots.convergence({"DDIM": (N, 2 / N), "UniPC": (N, 9 / N**3)}, last=3)
    assert "measured order 1.00" in plot.alt
    assert "measured order 3.00" in plot.alt
    assert plot.alt.endswith("UniPC ends with the smallest error.")
    bent = torch.tensor([1.0, 1.0, 1.0, 0.25, 1 / 16])
    assert "measured order 2.00" in plots.convergence({"DDIM": (N, bent)}, last=3).alt
    assert "measured order 2.00" not in plots.convergence({"DDIM": (N, bent)}, last=None).alt


def test_alt_text_follows_the_data():
    rising, falling = plots.curves({"a": ([0, 1, 2], [1, 2, 3])}), plots.curves({"a": ([0, 1, 2], [3, 2, 1])})
    assert "never decreasing" in rising.alt
    assert "never increasing" in falling.alt
    assert "highest 9 at 1" in plots.curves({"a": ([0, 1, 2], [1, 9, 1])}).alt
    flat = plots.curves({"a": ([0, 1, 2], [1, 1, 1])}).alt
    assert "never" not in flat


def test_loose_points_are_not_joined():
    x = [1 + k / 49 for k in range(50)]
    drawn = plots.curves({"line": (x, x), "points": (x[::-1], x)}, loose=("points",))
    joined, apart = drawn.figure.axes[0].lines
    assert joined.get_linestyle() != "None" and apart.get_linestyle() == "None" and apart.get_markevery() == 1
    assert "points: 50 points, from 1 to 2 across and from 1 to 2 up." in drawn.alt


def test_the_axes_of_a_field_carry_its_letter():
    sides = {"in": lambda x: -x, "out": lambda x: x}
    for given, letter in (({}, "x"), ({"letter": "y"}, "y")):
        axes = plots.field(sides, **given).figure.axes[:2]
        assert [(axis.get_xlabel(), axis.get_ylabel()) for axis in axes] == [
            (f"${letter}_1$", f"${letter}_2$"),
            (f"${letter}_1$", ""),
        ]


def test_trajectories_reports_length_and_distance():
    ends = torch.tensor([[3.0, 4.0]])
    corner = torch.stack([torch.zeros(1, 2), torch.tensor([[3.0, 0.0]]), ends])
    plot = plots.trajectories({"Euler": corner}, exact=ends + torch.tensor([0.0, 2.0]))
    assert "paths 1.4 times as long as the straight line" in plot.alt
    assert "mean distance to the exact end 2." in plot.alt


def test_trajectories_reads_a_solution():
    class Run:
        xs = torch.stack([normal(4), normal(4)])

    assert "1 steps" in plots.trajectories(Run()).alt
    Run.xs = None
    with pytest.raises(ValueError, match="trajectory=True"):
        plots.trajectories(Run())


def test_clipping_is_reported():
    x = torch.zeros(1, 3, 4, 4)
    assert "clipped" not in plots.images(x).alt
    x[0, 0] = 2
    assert "33 percent of the values clipped" in plots.images(x).alt


def test_points_outside_the_frame_are_reported():
    cloud = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    assert "1 of them outside the frame" in plots.scatter(cloud, extent=2).alt


def test_spectrum_counts_the_modes_above_the_noise():
    plot = plots.spectrum(torch.tensor([1.0, 4.0, 9.0]), noise={"noise": 1.5})
    assert "2 above noise" in plot.alt
    assert r"\Lambda_k" in plot.figure.axes[0].get_ylabel()  # the book's letter; lambda is the clock


def test_density_reports_the_probability_inside():
    inside = math.erf(1 / math.sqrt(2)) ** 2
    percent = int(re.search(r"(\d+) percent of the probability", plots.density(log_normal, extent=1, n=400).alt)[1])
    assert abs(percent - 100 * inside) < 1


def test_panels_share_axes():
    first, second = (a for a in plots.clouds({"a": normal(9), "b": 9 * normal(9)}).figure.axes if a.get_visible())
    assert first.get_xlim() == second.get_xlim()
    assert first.get_ylim() == second.get_ylim()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_takes_tensors_as_they_are(dtype):
    x = torch.ones(4, 2, dtype=dtype, requires_grad=True)
    assert "mean (1, 1)" in plots.scatter(x * 1).alt


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.scatter(torch.zeros(3, 3)), r"needs \(n, 2\)"),
        (lambda: plots.scatter(torch.full((3, 2), math.nan)), "6 of 6 numbers are NaN or infinite"),
        (lambda: plots.scatter({}), "empty dictionary"),
        (lambda: plots.scatter(torch.zeros(3, 2), extent=(1, 1, 0, 1)), "left < right"),
        (lambda: plots.scatter(torch.zeros(3, 2), extent=(1, 2)), "got 2 numbers"),
        (lambda: plots.trajectories(torch.zeros(3, 2)), r"\(steps \+ 1, n, 2\)"),
        (lambda: plots.trajectories(torch.zeros(3, 4, 2), exact=torch.zeros(3, 2)), "3 end points for 4 paths"),
        (lambda: plots.curves({"a": ([1, 2], [1, 2, 3])}), "2.* horizontal and .*3.* vertical"),
        (lambda: plots.curves({"a": N}), r"give \(x, y\)"),
        (lambda: plots.curves({"a": (N, N)}, loose=("b",)), r"loose names \['b'\]"),
        (lambda: plots.side_by_side({"one": {"a": N}}, x=N), "needs 2 to 4"),
        (lambda: plots.side_by_side({"one": {"a": N}, "two": {"a": N - 5}}, x=N, logy=True), "two, a.*not positive"),
        (lambda: plots.side_by_side({"one": {"a": N}, "two": N}, x=N), "two.*dictionary of labeled lines"),
        (lambda: plots.curves({"a": (N, N - 5)}, logy=True), "not positive"),
        (lambda: plots.convergence({"a": (N, 0 * N)}), "not positive"),
        (lambda: plots.convergence({"a": (N[:1], N[:1])}), "at least two"),
        (lambda: plots.schedules([object()]), r"alpha\(t\), sigma\(t\), log_snr\(t\)"),
        (lambda: plots.images(torch.zeros(3, 8, 8)), r"needs \(n, 3, h, w\)"),
        (lambda: plots.images(torch.zeros(2, 3, 8, 8), column_labels=[1]), "give one for each"),
        (lambda: plots.density(lambda x: x[:3, 0]), "maps? .*points"),
        (lambda: plots.field(lambda x: x[:, :1]), r"maps \(n, 2\) to \(n, 2\)"),
        (lambda: plots.heatmap(torch.zeros(3)), "two dimensions"),
        (lambda: plots.heatmap(torch.zeros(2, 2), log=True), "not positive"),
        (lambda: plots.heatmap(torch.eye(2), limits=(1, 0)), "low < high"),
        (lambda: plots.bars({"a": 0.0}, log=True), "positive heights"),
        (lambda: plots.bars({"a": math.inf}), "infinity"),
        (lambda: plots.spectrum(torch.tensor([1.0, -1.0])), "none below 0"),
        (lambda: plots.histogram(N, bins=1), "at least 2"),
        (lambda: plots.histogram(N, extent=(1.0, 1.0)), "low < high"),
    ],
)
def test_bad_data_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize("axis", ["xaxis", "yaxis"])
def test_a_short_logarithmic_axis_is_labeled_with_plain_numbers(axis):
    drawn = plots.curves({"a": ([0.2, 1.0, 4.0], [0.03, 0.2, 1.0])}, logx=True, logy=True).figure.axes[0]
    labels = [label.get_text() for label in getattr(drawn, axis).get_ticklabels()]
    assert any(label in labels for label in ("0.5", "0.1")) and not any("10^" in label for label in labels)
    wide = plots.curves({"a": ([1.0, 1e4], [1.0, 1e4])}, logx=True, logy=True).figure.axes[0]
    assert any("10^" in label.get_text() for label in getattr(wide, axis).get_ticklabels())


def test_the_legend_shows_whole_dash_patterns():
    n = [5, 10, 20]
    plot = wb.plots.convergence({name: (n, [1 / k for k in n]) for name in ("UniPC-1", "UniPC-2", "UniPC-3")})
    (legend,) = plot.figure.legends
    for line in legend.get_lines():
        drawn = legend.handlelength * legend.get_texts()[0].get_fontsize()
        _, dashes = line._dash_pattern
        assert dashes is None or 1.9 * sum(dashes) < drawn


def test_side_by_side_is_one_scale_one_legend_and_one_look_for_each_label():
    plot = plots.side_by_side({"net": {"DDIM": N, "UniPC": N**2}, "law": {"UniPC": N, "b": N}}, x=N)
    left, right = plot.figure.axes
    assert left.get_ylim() == right.get_ylim()
    assert [text.get_text() for text in plot.figure.legends[0].get_texts()] == ["DDIM", "UniPC", "b"]
    assert left.lines[1].get_color() == right.lines[0].get_color() != left.lines[0].get_color()
    assert "Panel net: DDIM" in plot.alt
    assert "Panel law: UniPC" in plot.alt


def test_side_by_side_keeps_long_labels_on_the_page():
    lines = {f"a label of some length, number {k}": N for k in range(6)}
    figure = plots.side_by_side({"one": lines, "two": lines}, x=N).figure
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
