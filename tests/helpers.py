"""What the tests of the core compare against: schedules in 50 digits, and laws whose answers are known in closed form.

Nothing here calls the conversions or the schedules' own formulas: all four faces of a law are written out separately.
"""

import dataclasses
import functools
import math

import mpmath
import numpy as np
import torch

from workbench.denoiser import Denoiser
from workbench.schedules import VE, VP, Cosine, DiscreteVP, Rectified
from workbench.solvers.multistep import Multistep

SCHEDULES = (VP(), Cosine(), VE(), Rectified(), DiscreteVP.linear())
SINGULAR_START = (Cosine(), Rectified())  # alpha = 0 at t = 1
PRESERVING = (VP(), Cosine(), DiscreteVP.linear())
POINT, STANDARD, T1 = ((1.0,), (0.7,), (0.0,)), ((1.0,), (0.0,), (1.0,)), ((0.4, 0.6), (-1.5, 1.0), (0.6, 0.8))
SHIFTED, MEAN = ((0.4, 0.6), (-1.0, 1.5), (0.6, 0.8)), 0.5  # T1 itself has mean 0, which hides a wrong factor of the mean


def name(value) -> str:
    """The class name, as a test id."""
    return type(value).__name__


def label(solver) -> str:
    """A solver with the settings that are not its defaults, as a test id."""
    defaults = {field.name: field.default for field in dataclasses.fields(solver)}
    settings = (f"{key}={value}" for key, value in vars(solver).items() if value != defaults.get(key))
    return "-".join([name(solver), *settings])


def exact_on_points(solver) -> bool:
    """Whether a stochastic solver keeps the marginals of a point mass at any step: not with DDPM's forward variance, and not where a
    multistep method holds the noise prediction still while fresh noise comes in."""
    return getattr(solver, "variance", "small") == "small" and not (isinstance(solver, Multistep) and solver.face == "noise")


def follows_velocity(solver) -> bool:
    """Whether the method is classical in t, on dx/dt = velocity (DEIS in t extrapolates the noise, and is not)."""
    return getattr(solver, "face", None) == "velocity"


def linear_table(levels: int = 1000) -> np.ndarray:
    """DDPM's alphas_cumprod."""
    return np.cumprod(1 - np.linspace(1e-4, 0.02, levels))


@functools.cache
def mp_levels(schedule, t) -> tuple[mpmath.mpf, mpmath.mpf]:
    """alpha and sigma from the textbook definition of each schedule, in 50 digits."""
    with mpmath.workdps(50):
        t = mpmath.mpf(t)
        if isinstance(schedule, VE):
            return mpmath.mpf(1), t
        if isinstance(schedule, Rectified):
            return 1 - t, t
        if isinstance(schedule, VP):
            low, high = mpmath.mpf(schedule.beta_min), mpmath.mpf(schedule.beta_max)
            alpha = mpmath.exp(-(low * t + (high - low) * t**2 / 2) / 2)
        elif isinstance(schedule, Cosine):
            s = mpmath.mpf(schedule.offset)
            alpha = mpmath.cos(mpmath.pi / 2 * (t + s) / (1 + s)) / mpmath.cos(mpmath.pi / 2 * s / (1 + s))
        else:
            table = schedule.alphas_cumprod
            place = t * len(table)
            k = min(int(place), len(table) - 1)
            left, right = (mpmath.mpf(table[k - 1]) if k else mpmath.mpf(1)), mpmath.mpf(table[k])
            alpha = mpmath.sqrt(left) ** (1 - (place - k)) * mpmath.sqrt(right) ** (place - k)
        return alpha, mpmath.sqrt(1 - alpha**2)


@functools.cache
def levels(schedule, t) -> tuple[float, float]:
    """The same as floats."""
    return tuple(float(value) for value in mp_levels(schedule, t))


@functools.cache
def lam(schedule, t) -> float:
    """Half the log signal-to-noise ratio, as a float."""
    alpha, sigma = mp_levels(schedule, t)
    return float(mpmath.log(alpha / sigma))


def times(schedule, n: int = 7) -> list[float]:
    """n times, geometric on VE and even elsewhere, from t_last to t_first, ends included."""
    if isinstance(schedule, VE):
        return np.geomspace(schedule.t_last, schedule.t_first, n).tolist()
    return np.linspace(schedule.t_last, schedule.t_first, n).tolist()


class Mixture(Denoiser):
    """Every coordinate is an independent draw from sum_k w_k N(m_k, s_k^2); all five predictions in closed form."""

    def __init__(self, schedule, law=T1, predicts: str = "data") -> None:
        self.schedule, self.law, self.predicts, self.known = schedule, law, predicts, {}

    def table(self, x, t):
        """All that one time has to say, computed in float64 and remembered for float times."""
        if isinstance(t, torch.Tensor) or (t, x.dtype) not in self.known:
            s, shape = self.schedule, (-1, *[1] * x.ndim) if isinstance(t, torch.Tensor) and t.ndim else (1,)
            exact = (torch.as_tensor(part, dtype=torch.float64) for part in (s.alpha(t), s.sigma(t), s.d_alpha(t), s.d_sigma(t)))
            alpha, sigma, up, rise = (part.reshape(shape) for part in exact)
            weights, means, stds = (torch.tensor(part, dtype=torch.float64) for part in self.law)
            variance = alpha**2 * stds**2 + sigma**2
            by_component = alpha * means, weights.log() - 0.5 * variance.log(), 1 / variance, means, alpha * stds**2 / variance
            scalars = (part[..., 0] for part in (alpha, sigma, up, rise))
            found = tuple(part.to(x.dtype) for part in (*by_component, *scalars))
            if isinstance(t, torch.Tensor):
                return found
            self.known[t, x.dtype] = found
        return self.known[t, x.dtype]

    def answer(self, target: str, x, t):
        """One face, from alpha, sigma and their derivatives alone."""
        centers, log_weights, precision, means, gain, alpha, sigma, up, rise = self.table(x, t)
        off = x[..., None] - centers
        pull = precision * off
        chance = torch.softmax(log_weights - 0.5 * pull * off, dim=-1)
        if target == "score":
            return -(chance * pull).sum(-1)
        data = (chance * (means + gain * off)).sum(-1) if target != "noise" else None
        noise = sigma * (chance * pull).sum(-1) if target != "data" else None
        return {
            "data": lambda: data,
            "noise": lambda: noise,
            "velocity": lambda: up * data + rise * noise,
            "v": lambda: alpha * noise - sigma * data,
        }[target]()

    def predict(self, x, t):
        return self.answer(self.predicts, x, t)


class Exact(Mixture):
    """The same with every face answered directly: quick, and blind to the conversions."""

    def data(self, x, t):
        return self.answer("data", x, t)

    def noise(self, x, t):
        return self.answer("noise", x, t)

    def velocity(self, x, t):
        return self.answer("velocity", x, t)


def log_density(law, alpha: float, sigma: float, x: torch.Tensor) -> torch.Tensor:
    """log q_t(x) of one coordinate under a 1-D mixture."""
    weights, means, stds = (torch.tensor(part, dtype=x.dtype) for part in law)
    variance = alpha**2 * stds**2 + sigma**2
    off = x[..., None] - alpha * means
    return torch.logsumexp(weights.log() - 0.5 * (2 * math.pi * variance).log() - 0.5 * off**2 / variance, -1)


def gaussian_flow(schedule, mean: float, std: float, x, t, s):
    """Where the probability flow carries x from t to s when the data are N(mean, std^2)."""
    (a, b), (c, d) = levels(schedule, t), levels(schedule, s)
    return c * mean + math.sqrt((c * c * std * std + d * d) / (a * a * std * std + b * b)) * (x - a * mean)
