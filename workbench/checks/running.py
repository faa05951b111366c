"""Run a sampler that may be wrong.

A sampler is a solver of ``wb.solvers`` (or your own with ``plan`` and ``step``), or a plain function
``step(model, x, t, s)`` that returns the state at the next time s; a stochastic one takes a ``torch.Generator`` besides, as a
fifth parameter of any name or by keyword: ``step(model, x, t, s, generator)``, ``step(model, x, t, s, *, generator)``.
"""

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workbench.checks.asking import Problem, ask, numbers
from workbench.solve import solve
from workbench.solvers import Solver

Sampler = Solver | Callable[..., Tensor]


def run(
    sampler: Any, model: Any, x: Tensor, times: list[float], generator: torch.Generator, *, digits: bool = True
) -> list[Tensor]:
    """The states at all times; every step gets a copy of its own, so that one that works in place spoils nothing.

    Raises:
        Problem: where the sampler raises, or returns anything but a state; with ``digits`` also for one in lower precision.
    """
    refuse_class(sampler)
    states = [x.clone()]
    if hasattr(sampler, "plan"):
        keep = lambda i, t, state: states.append(numbers(state, x.shape, f"the state at t = {t:.4g}").clone())  # noqa: E731
        ask(type(sampler).__name__, solve, model, x.clone(), times, sampler, generator=generator, callback=keep)
        return states
    args, kwargs = _with_generator(sampler, generator)
    called = ", ".join(["model", "x", "t", "s", *("generator" for _ in args), *(f"{name}=generator" for name in kwargs)])
    for t, s in itertools.pairwise(times):
        out = ask(f"step({called})", sampler, model, states[-1].clone(), t, s, *args, **kwargs)
        state = numbers(out, None, "the state that the step returns")
        if state.shape != x.shape:
            raise Problem(f"the step returned shape {tuple(state.shape)} for a state of shape {tuple(x.shape)}; they must be equal")
        if digits and getattr(out, "dtype", None) in (torch.float32, torch.float16, torch.bfloat16):
            raise Problem(
                f"the step returned {out.dtype} for a state in torch.float64, too few digits to measure with: usual cause: "
                ".float(), or a tensor made without dtype=x.dtype"
            )
        states.append(state.clone())
    return states


def refuse_class(sampler: Any) -> None:
    """A class is no sampler yet."""
    if isinstance(sampler, type):
        raise Problem(f"the sampler is the class {sampler.__name__}; pass an instance: {sampler.__name__}()")


def _with_generator(step: Callable[..., Any], generator: torch.Generator) -> tuple[tuple, dict[str, Any]]:
    """How a step takes its generator: the further positional and keyword arguments of every call."""
    try:
        known = list(inspect.signature(step).parameters.values())
    except (TypeError, ValueError):  # some built-in functions do not tell
        return (), {}
    places = [p for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    keywords = [p for p in known if p.kind == p.KEYWORD_ONLY] + [p for p in places[5:] if p.name == "generator"]
    free = [p for p in places[4:5] + keywords if p.default is p.empty or p.default is None]
    if not free:
        return (), {}
    chosen = next((p for p in free if p.name == "generator"), free[0])
    return ((generator,), {}) if chosen in places[4:5] else ((), {chosen.name: generator})
