"""A (1 + lambda) evolutionary search: one parent, many children, the better one lives."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from workbench.nets.training.batches import generator_of, seed_of
from workbench.nets.training.resuming import check_path
from workbench.progress import bar_of
from workbench.search.found import Found, Generation
from workbench.search.resuming import keep, resumed
from workbench.search.settings import Evolution, Stage

State = Hashable
Mutate = Callable[[Any, torch.Generator], Any]
Fitness = Callable[[Any, Stage], float]
Sieve = Callable[[Mapping[tuple[Any, int], float], Sequence[Any]], Sequence[Any]]


def evolve(
    start: State,
    mutate: Mutate,
    fitness: Fitness,
    settings: Evolution | None = None,
    *,
    generator: torch.Generator,
    sieve: Sieve | None = None,
    checkpoint: Path | None = None,
    save_every: int = 1,
    progress: bool = False,
    callback: Callable[[Found], object] | None = None,
) -> Found:
    """Search for the state of least fitness, as :class:`Evolution` says.

        >>> from workbench.search import Evolution, evolve
        >>> step = lambda n, generator: n + 2 * int(torch.randint(2, (), generator=generator)) - 1
        >>> evolve(9, step, lambda n, stage: n * n, Evolution(20, 4), generator=torch.Generator().manual_seed(0)).best
        0

    The fitness must be a function of its arguments alone: the same state on the same stage gets the same number, so that none is asked
    for twice.  Draw its samples beforehand.  A child that has been on the last stage before, or is another child of this generation, is
    drawn again and costs nothing.  NaN and infinity, of either sign, count as the worst fitness there is.

    Args:
        start: any hashable value; with a checkpoint, one of numbers, strings and tuples of them.
        mutate: (state, generator) -> another state.
        fitness: (state, stage) -> a number, lower is better; ``stage.samples`` says how many samples to look at.
        settings: by default ``Evolution()``.
        generator: one number is drawn from it, the seed of all that follows.
        sieve: (all fitnesses known, children) -> those of the children that are worth judging: what was learned may be used before
            anything is paid.  A function of its arguments alone, like the fitness.
        checkpoint: a file, replaced as a whole as the search goes on; after an interruption of any kind the same call goes on from it, and
            ends where it would have ended.  None keeps none.
        save_every: generations between two checkpoints.
        progress: whether to show a progress bar.
        callback: called with what is found after each generation, and after the start.

    Returns:
        The best state and the history; also after a KeyboardInterrupt, which ends the search and loses nothing.

    Raises:
        TypeError: for a generator that is none, a start that cannot be hashed, or a fitness that is no number.
        ValueError: for ``save_every`` below 1 or a folder as checkpoint.
        CheckpointError: for a checkpoint of another search; the message says what differs.
    """
    settings = settings or Evolution()
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"evolve draws, and got generator={generator!r}; pass generator=torch.Generator().manual_seed(0)")
    hash(start)
    if checkpoint is not None:
        check_path(checkpoint, save_every)
    seed = seed_of(generator)
    about = asdict(settings) | {"seed": seed, "start": start}
    last = settings.stages[-1]
    worth = number(fitness(start, last))  # also where a checkpoint has it: it tells one fitness from another
    first = Found(start, (Generation(0, worth, 1, last.samples),), known={(start, len(settings.stages) - 1): worth})
    found = first if checkpoint is None or not checkpoint.exists() else resumed(checkpoint, first, about)
    bar = bar_of(settings.generations, progress, len(found.history) - 1, "generation")
    try:
        if callback is not None and len(found.history) == 1:
            callback(found)
        for k in range(len(found.history), settings.generations + 1):
            found = _next(found, mutate, fitness, settings, generator_of(seed, k), sieve)  # all of a generation or nothing of it
            if checkpoint is not None and (k % save_every == 0 or k == settings.generations):
                keep(checkpoint, found, about)
            if bar is not None:
                bar.update()
                bar.set_postfix(best=f"{found.fitness:.4g}", evaluations=found.evaluations)
            if callback is not None:
                callback(found)
    except KeyboardInterrupt:
        found = replace(found, interrupted=True)
        if checkpoint is not None:
            keep(checkpoint, found, about)
    finally:
        if bar is not None:
            bar.close()
    return found


def number(value: Any) -> float:
    """A fitness as a float; what is not finite is the worst.

    Raises:
        TypeError: for what is no number.
    """
    try:
        value = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"the fitness returned {type(value).__name__}; it must return one number, lower is better") from error
    return value if math.isfinite(value) else math.inf


def _next(
    found: Found, mutate: Mutate, fitness: Fitness, settings: Evolution, draws: torch.Generator, sieve: Sieve | None = None
) -> Found:
    """One generation."""
    known, evaluations, samples = dict(found.known), found.evaluations, found.samples
    last = len(settings.stages) - 1
    alive = _children(found.best, known, mutate, settings, draws)
    if sieve is not None:
        alive = list(sieve(known, alive))
    for k, stage in enumerate(settings.stages):
        for child in alive:
            if (child, k) not in known:
                known[child, k] = number(fitness(child, stage))
                evaluations, samples = evaluations + 1, samples + stage.samples
        alive = sorted(alive, key=lambda child: known[child, k])[: stage.survivors]
    winner, worth = found.best, found.fitness
    if alive and known[alive[0], last] <= worth:
        winner, worth = alive[0], known[alive[0], last]
    return Found(winner, (*found.history, Generation(len(found.history), worth, evaluations, samples)), known=known)


def _children(parent: Any, known: dict, mutate: Mutate, settings: Evolution, draws: torch.Generator) -> list[Any]:
    """Different ones, none of which has met a parent on the last stage; fewer than asked for where there are no more."""
    last, children = len(settings.stages) - 1, {}
    for _ in range(settings.offspring):
        for _ in range(settings.tries):
            child = mutate(parent, draws)
            if child not in children and (child, last) not in known:
                children[child] = None
                break
    return list(children)
