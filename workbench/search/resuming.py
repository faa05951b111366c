"""A search that survives its interruption: its checkpoint, and what it must agree with to be gone on with."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.nets.training.checkpoint import CheckpointError, differences, load, save
from workbench.search.found import Found, Generation


def keep(path: Path, found: Found, about: dict[str, Any]) -> None:
    """Write what was found so far, and which search it belongs to, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = [(state, stage, worth) for (state, stage), worth in found.known.items()]
    history = [tuple(asdict(one).values()) for one in found.history]
    save(path, {"best": found.best, "history": history, "known": known}, about)


def resumed(path: Path, first: Found, about: dict[str, Any]) -> Found:
    """What the checkpoint has, if it is of the search ``about``; ``first`` is what this search knows of its start.

    Raises:
        CheckpointError: for another search; the message says what differs.  More generations than before may be asked for.
    """
    state, stored, _ = load(path)
    wrong = differences(stored, about, free=("generations",))
    before = state["history"][0][1]
    if not wrong and not (before == first.fitness or math.isclose(before, first.fitness, rel_tol=1e-4)):
        wrong = [f"fitness of the start: the checkpoint has {before!r}, now it is {first.fitness!r}"]
    if wrong:
        raise CheckpointError(f"{path} is of another search: {'; '.join(wrong)}. Ask for the same, or take another file")
    history = tuple(Generation(*row) for row in state["history"])
    return Found(state["best"], history, known={(one, stage): worth for one, stage, worth in state["known"]})
