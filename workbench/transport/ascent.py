"""Finding the heights: descend the convex objective by Adam, on cell masses that are estimated from samples.

    gradient_i = mass of W_i - share_i

A gradient of zero mean still has the length  sqrt(sum_i share_i (1 - share_i) / N)  when its masses are counted on N samples, so that
a tolerance needs about 1 / tolerance^2 of them: more are drawn whenever the length has stopped falling.

Book: ``solvers/optimal_transport_shortcut``.  Paper: ``li2023dpmot`` (settings), ``gu2013variational`` (objective).
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.nets.training.batches import generator_of, seed_of
from workbench.nets.training.checkpoint import CheckpointError, differences, load, save
from workbench.nets.training.resuming import check_path
from workbench.progress import bar_of
from workbench.transport.cells import SemiDiscrete

Source = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class Ascent:
    """How the heights are found; the defaults are the published settings.

    Args:
        samples: of the noise law, for each gradient at first.
        rate: Adam's at first.
        betas: Adam's decay rates of the two means.
        patience: after so many iterations without a shorter gradient there are ``growth`` times the samples, and ``decay`` times the rate.
        growth, decay: see there.
        tolerance: stop once the gradient is shorter and no cell is empty.
        most: the most samples for one gradient.
        iterations: the most iterations.

    Raises:
        ValueError: for numbers outside their ranges.
    """

    samples: int = 10_000
    rate: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)
    patience: int = 50
    growth: int = 2
    decay: float = 0.8
    tolerance: float = 8e-4
    most: int = 2_560_000
    iterations: int = 10_000
    paper = "li2023dpmot"

    def __post_init__(self) -> None:
        whole = all(
            isinstance(n, int) and not isinstance(n, bool)
            for n in (self.samples, self.patience, self.growth, self.most, self.iterations)
        )
        if not whole or min(self.samples, self.patience, self.growth) < 1 or self.most < self.samples or self.iterations < 0:
            raise ValueError(
                f"samples, patience and growth are whole and at least 1, most at least samples, iterations not negative; got {self}"
            )
        if not (self.rate > 0 and 0 < self.decay <= 1 and self.tolerance > 0 and all(0 <= beta < 1 for beta in self.betas)):
            raise ValueError(f"rate and tolerance are positive, 0 < decay <= 1 and 0 <= beta < 1; got {self}")


class Iteration(NamedTuple):
    """The gradient before an update: its length, how many cells were empty, on how many samples, at which rate."""

    length: float
    empty: int
    samples: int
    rate: float


@dataclass(frozen=True)
class Fitted:
    """What was found.

    Args:
        transport: the map with the heights of the shortest gradient seen on the largest number of samples.
        history: one entry for each iteration.
        reached: whether the stop rule was met.
        interrupted: whether somebody stopped it before.
    """

    transport: SemiDiscrete
    history: tuple[Iteration, ...]
    reached: bool
    interrupted: bool = False

    @property
    def samples(self) -> int:
        """Samples of the noise law drawn, all gradients together."""
        return sum(one.samples for one in self.history)


def noise_floor(shares: Float[Tensor, "n"], samples: int) -> float:
    """The root mean square length of a gradient whose masses are right, and counted on so many samples."""
    return math.sqrt(float((shares * (1 - shares)).sum()) / samples)


def semi_discrete(
    points: Float[Tensor, "n *shape"],
    source: Source,
    settings: Ascent | None = None,
    *,
    generator: torch.Generator,
    shares: Float[Tensor, "n"] | None = None,
    checkpoint: Path | None = None,
    save_every: int = 100,
    progress: bool = False,
) -> Fitted:
    """Fit the heights of a map from the law of ``source`` to ``points``, cells of mass 1/n (or ``shares``).

    An iteration costs O(samples n d) operations; memory is O(n d), and a bounded table of samples against points.  The draws of an
    iteration depend on the seed and its number alone: a run that was interrupted goes on from its checkpoint as if nothing had happened.

    Args:
        points: where to; see :class:`SemiDiscrete`.
        source: (count, generator) -> (count, \\*shape) samples of the noise law.
        settings: by default ``Ascent()``.
        generator: one number is drawn from it, the seed of all that follows.
        shares: the masses wanted.
        checkpoint: a file, replaced as a whole every ``save_every`` iterations; None keeps none.
        save_every: see there.
        progress: whether to show a progress bar.

    Raises:
        ValueError: for bad points or shares, a source of another shape, a tolerance below the noise of a gradient of ``most`` samples.
        CheckpointError: for a checkpoint of another run.
    """
    settings = settings or Ascent()
    start = SemiDiscrete(points, torch.zeros(len(points), dtype=torch.float64), shares)
    if settings.tolerance < (floor := noise_floor(start.shares, settings.most)):
        raise ValueError(
            f"a gradient of {settings.most} samples has a length of about {floor:.2g} by chance, so tolerance={settings.tolerance:g} is "
            f"not reached; ask for more, or set most to {math.ceil(settings.most * (floor / settings.tolerance) ** 2)}"
        )
    if checkpoint is not None:
        check_path(checkpoint, save_every)
    seed = seed_of(generator)
    if source(2, generator_of(seed)).shape != (2, *points.shape[1:]):
        raise ValueError(
            f"the source draws {tuple(source(2, generator_of(seed)).shape)} for 2 samples; (2, *{tuple(points.shape[1:])}) is needed"
        )
    about = asdict(settings) | {"seed": seed, "points": _digest(points), "shares": _digest(start.shares)}
    state = _State.begin(start, settings) if checkpoint is None or not checkpoint.exists() else _State.resumed(checkpoint, about)
    bar = bar_of(settings.iterations, progress, len(state.history), "iteration")
    interrupted = False
    try:
        while not state.reached and len(state.history) < settings.iterations:
            state = state.next(start, source, settings, generator_of(seed, len(state.history)))
            if bar is not None:
                bar.update()
                bar.set_postfix(length=f"{state.history[-1].length:.2g}", empty=state.history[-1].empty, samples=state.samples)
            if checkpoint is not None and len(state.history) % save_every == 0:
                save(checkpoint, state._asdict(), about)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if bar is not None:
            bar.close()
    if checkpoint is not None:
        save(checkpoint, state._asdict(), about)
    history = tuple(Iteration(*row) for row in state.history)
    return Fitted(replace(start, heights=state.best_heights), history, state.reached, interrupted)


class _State(NamedTuple):
    """All that the next iteration depends on."""

    heights: Tensor
    first: Tensor
    second: Tensor
    samples: int
    rate: float
    bad: int
    best: float
    best_heights: Tensor
    reached: bool
    history: tuple

    @classmethod
    def begin(cls, start: SemiDiscrete, settings: Ascent) -> "_State":
        zero = start.heights
        return cls(zero, zero, zero, settings.samples, settings.rate, 0, math.inf, zero, False, ())

    @classmethod
    def resumed(cls, path: Path, about: dict[str, Any]) -> "_State":
        state, stored, _ = load(path)
        if wrong := differences(stored, about, free=("iterations",)):
            raise CheckpointError(f"{path} is of another run: {'; '.join(wrong)}. Ask for the same, or take another file")
        return cls(**state)

    def next(self, start: SemiDiscrete, source: Source, settings: Ascent, draws: torch.Generator) -> "_State":
        """Count, judge, update."""
        masses = replace(start, heights=self.heights).masses(source(self.samples, draws))
        gradient = masses - start.shares
        length, empty = float(gradient.norm()), int((masses == 0).sum())
        history = (*self.history, (length, empty, self.samples, self.rate))
        better = length < self.best
        best, heights = (length, self.heights) if better else (self.best, self.best_heights)
        if length < settings.tolerance and not empty:
            return self._replace(best=length, best_heights=self.heights, reached=True, history=history)
        k, (b1, b2) = len(history), settings.betas
        first, second = b1 * self.first + (1 - b1) * gradient, b2 * self.second + (1 - b2) * gradient.square()
        move = first / (1 - b1**k) / ((second / (1 - b2**k)).sqrt() + 1e-8)
        new = self.heights - self.rate * move
        bad, samples, rate = 0 if better else self.bad + 1, self.samples, self.rate
        if bad >= settings.patience:
            grown = min(samples * settings.growth, settings.most)
            best, bad, rate = (math.inf if grown > samples else best), 0, rate * settings.decay
            samples = grown
        return _State(new - new.mean(), first, second, samples, rate, bad, best, heights, False, history)


def _digest(numbers: Tensor) -> str:
    return hashlib.sha256(numbers.detach().cpu().double().numpy().tobytes()).hexdigest()[:16]
