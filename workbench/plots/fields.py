"""Functions on the plane: densities as color, vector fields as arrows or streamlines."""

from collections.abc import Callable, Mapping

import numpy as np

from workbench.plots._arrays import Extent, Values, extent_of, name_of, named, on_grid, points, say
from workbench.plots.clouds import _contours, _outer, _plane
from workbench.plots.plot import Plot, planes
from workbench.plots.style import BLUE, PANELS, VERMILLION, styled


@styled
def density(
    log_prob: Callable | Mapping[object, Callable],
    *,
    extent: Extent = 4.0,
    samples: Values | None = None,
    n: int = 140,
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """The density of a log density (n, 2) -> (n,) as color, one panel for each; optional `samples` (m, 2) over it.

    The alt text reports how much of the probability lies inside the frame.

    Raises:
        TypeError: for a log density that does not return numbers.
        ValueError: for no density, one that gives more or fewer answers than points, samples that are not finite (m, 2), or an extent without area.
    """
    laws = named(log_prob, "density")
    limits = extent_of(extent)
    cloud = None if samples is None else points(samples, "samples")
    figure, axes, columns = planes(len(laws), most=PANELS, least=4.6, title=title, gap=0.4)
    words = []
    for axis, (label, law) in zip(axes, laws.items(), strict=False):
        x, y, values = on_grid(law, limits, n, name_of(label))
        values = np.exp(values)
        cell = (x[1] - x[0]) * (y[1] - y[0])
        image = axis.pcolormesh(x, y, values, shading="nearest", cmap="Blues", rasterized=True)
        axis.grid(visible=False)
        if cloud is not None:
            axis.plot(*cloud.T, ".", color=VERMILLION, markersize=2.5, alpha=0.7)
        if len(laws) > 1:
            axis.set_title(name_of(label))
        else:
            figure.colorbar(image, ax=axis, label="density", shrink=0.9)
        _plane(axis, limits)
        peak = np.unravel_index(values.argmax(), values.shape)
        words.append(
            f"{name_of(label)}: highest {say(values.max())} near ({say(x[peak[1]], 2)}, {say(y[peak[0]], 2)}), "
            f"{min(100.0, 100 * values.sum() * cell):.0f} percent of the probability inside the frame"
        )
    _outer(figure, axes, columns, len(laws))
    over = f" with {len(cloud)} samples over it" if cloud is not None else ""
    return Plot(figure, f"Heat map of a probability density in the plane{over}. {'; '.join(words)}.", caption)


@styled
def field(
    vectors: Callable | Mapping[object, Callable],
    *,
    extent: Extent = 4.0,
    log_prob: Callable | None = None,
    stream: bool = False,
    n: int = 17,
    letter: str = "x",
    title: str | None = None,
    caption: str | None = None,
) -> Plot:
    """A vector field (n, 2) -> (n, 2), such as ``lambda x: law.score(x, 0.3)``: arrows, or lines with ``stream=True``.

    Arrows are scaled by the square root of their length (so that small ones remain visible). Contours of `log_prob` lie
    behind. `letter` names the axes, such as "y" for coordinates y = x / alpha.

    Raises:
        TypeError: for a field that does not return numbers.
        ValueError: for no field, one that does not map (n, 2) to (n, 2) or is not finite in the frame, or an extent without area.
    """
    fields = named(vectors, "field")
    limits = extent_of(extent)
    figure, axes, columns = planes(len(fields), most=3, least=4.4, title=title)
    words = []
    for axis, (label, function) in zip(axes, fields.items(), strict=False):
        x, y, arrows = on_grid(function, limits, 60 if stream else n, name_of(label))
        if arrows.shape[2:] != (2,):
            raise ValueError(
                f"{name_of(label)}: got vectors of shape {arrows.shape[2:]}; a field in the plane maps (n, 2) to (n, 2)"
            )
        length = np.linalg.norm(arrows, axis=2)
        if not np.isfinite(length).all():
            raise ValueError(
                f"{name_of(label)}: the field is NaN or infinite at {int((~np.isfinite(length)).sum())} of "
                f"{length.size} points; choose another extent or time"
            )
        if log_prob is not None:
            _contours(axis, log_prob, limits)
        if stream:
            axis.streamplot(x, y, arrows[..., 0], arrows[..., 1], color=BLUE, linewidth=0.9, arrowsize=0.9, density=1.1)
        else:
            shown = arrows / np.sqrt(np.maximum(length, 1e-12))[..., None]
            axis.quiver(
                x,
                y,
                shown[..., 0],
                shown[..., 1],
                color=BLUE,
                width=0.005,
                pivot="mid",
                angles="xy",
                scale_units="xy",
                scale=_scale(shown, x),
            )
        if len(fields) > 1:
            axis.set_title(name_of(label))
        _plane(axis, limits, letter)
        place = np.stack(np.meshgrid(x, y), -1)
        inward = float((np.einsum("ijk,ijk->ij", arrows, place - place.mean((0, 1))) < 0).mean())
        far = place[np.unravel_index(length.argmax(), length.shape)]
        words.append(
            f"{name_of(label)}: longest {say(length.max(), 2)} near ({say(far[0], 2)}, {say(far[1], 2)}), median "
            f"length {say(np.median(length), 2)}, "
            f"{100 * inward:.0f} percent of the vectors point inward (toward the center of the frame)"
        )
    _outer(figure, axes, columns, len(fields))
    how = "Streamlines" if stream else "Arrows"
    return Plot(figure, f"{how} of a vector field in the plane. {'; '.join(words)}.", caption)


def _scale(shown: np.ndarray, x: np.ndarray) -> float:
    """Arrow units for one unit of the plane: the longest arrow spans one cell of the grid."""
    return max(float(np.linalg.norm(shown, axis=2).max()), 1e-12) / (x[1] - x[0])
