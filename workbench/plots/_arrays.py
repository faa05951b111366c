"""From tensors to arrays that can be drawn, and from numbers to words that can be read aloud."""

from collections.abc import Callable, Mapping, Sequence
from typing import SupportsFloat

import numpy as np
import torch
from torch import Tensor

from workbench.plots.style import name_of

Values = Tensor | np.ndarray | Sequence
Extent = SupportsFloat | Sequence[SupportsFloat]
"""A half-width, or (left, right, bottom, top)."""


def array(x: Values, what: str = "values") -> np.ndarray:
    """A float64 array on the CPU, detached; refuses what is not finite numbers."""
    try:
        if isinstance(x, Tensor):
            x = x.detach().to("cpu", torch.float64).numpy()
        elif not isinstance(x, np.ndarray):
            x = np.array(
                [float(v) if isinstance(v, Tensor) and v.ndim == 0 else array(v, what) if isinstance(v, Tensor) else v for v in x]
            )
        return np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what}: got {type(x).__name__}; a tensor or a list of numbers is needed ({error})") from error


def finite(x: Values, what: str = "values") -> np.ndarray:
    """`array`, and a ValueError when something in it is not finite."""
    x = array(x, what)
    bad = int((~np.isfinite(x)).sum())
    if bad:
        raise ValueError(f"{what}: {bad} of {x.size} numbers are NaN or infinite; look at what computed them before plotting")
    return x


def points(x: Values, what: str = "points") -> np.ndarray:
    """A cloud of shape (n, 2)."""
    x = finite(x, what)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x):
        raise ValueError(
            f"{what}: got shape {tuple(x.shape)}; needs (n, 2) with n >= 1, so select two columns or flatten the batch"
        )
    return x


def vector(x: Values, what: str = "values") -> np.ndarray:
    """A one-dimensional array with at least one entry."""
    x = finite(x, what)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"{what}: got shape {tuple(x.shape)}; needs one dimension and at least one entry")
    return x


def named(things: object, default: str) -> dict[object, object]:
    """A mapping as it is (with at least one entry), anything else as the only entry, called `default`."""
    found = dict(things) if isinstance(things, Mapping) else {default: things}
    if not found:
        raise ValueError("got an empty dictionary; give at least one series, such as {'DDIM': values}")
    return found


def extent_of(extent: Extent) -> tuple[float, float, float, float]:
    """(left, right, bottom, top) from a half-width or from four numbers."""
    if not isinstance(extent, Sequence):
        extent = (-float(extent), float(extent), -float(extent), float(extent))
    if len(extent) != 4:
        raise ValueError(f"extent: got {len(extent)} numbers; needs a half-width, or (left, right, bottom, top)")
    left, right, bottom, top = (float(v) for v in extent)
    if not (left < right and bottom < top):
        raise ValueError(f"extent: got {tuple(extent)}; needs (left, right, bottom, top) with left < right and bottom < top")
    return left, right, bottom, top


def around(clouds: Sequence[np.ndarray], margin: float = 0.06) -> tuple[float, float, float, float]:
    """The smallest square that holds all clouds, with a margin; the same scale on both axes."""
    everything = np.concatenate(clouds)
    low, high = everything.min(0), everything.max(0)
    center, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-3) * (1 + 2 * margin)
    return center[0] - half, center[0] + half, center[1] - half, center[1] + half


def on_grid(function: Callable, extent: tuple, n: int, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (n,), y (n,) and function values (n, n, ...) of a callable that maps (n*n, 2) points, in float64."""
    left, right, bottom, top = extent
    x, y = torch.linspace(left, right, n, dtype=torch.float64), torch.linspace(bottom, top, n, dtype=torch.float64)
    flat = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
    with torch.no_grad():
        values = array(function(flat), what)
    if len(values) != n * n:
        raise ValueError(f"{what}: got shape {values.shape} for {n * n} points; the function must map (n, 2) points to n answers")
    return x.numpy(), y.numpy(), values.reshape(n, n, *values.shape[1:])


def say(x: SupportsFloat, digits: int = 3) -> str:
    """A number for people: three significant digits, no trailing zeros."""
    return f"{float(x):.{digits}g}".replace("e-0", "e-").replace("e+0", "e")


def listed(parts: Sequence[object]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    words = [name_of(part) for part in parts]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
