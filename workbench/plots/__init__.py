"""Figures of the book: each function returns a ``Plot``, which is a figure and the words that say what it shows.

A cell of a chapter is one call. Tensors go in as they are (any device, any dtype, with or without gradient).
"""

from workbench.plots.chains import chains
from workbench.plots.clouds import clouds, scatter, trajectories
from workbench.plots.curves import convergence, curves
from workbench.plots.explorer import explorer
from workbench.plots.fields import density, field
from workbench.plots.numbers import bars, heatmap, histogram, spectrum
from workbench.plots.pictures import images
from workbench.plots.player import image_player, player
from workbench.plots.plot import Plot
from workbench.plots.schedule_curves import grid_points, schedules
from workbench.plots.side_by_side import side_by_side

__all__ = [
    "Plot",
    "bars",
    "chains",
    "clouds",
    "convergence",
    "curves",
    "density",
    "explorer",
    "field",
    "grid_points",
    "heatmap",
    "histogram",
    "image_player",
    "images",
    "player",
    "scatter",
    "schedules",
    "side_by_side",
    "spectrum",
    "trajectories",
]
