"""Is this the expected answer, and if not, what mistake gives this one?"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from workbench.checks.asking import ask, check, numbers
from workbench.checks.result import CheckResult, conclude

_FACTORS = {
    "2": 2.0,
    "1/2": 0.5,
    "4": 4.0,
    "1/4": 0.25,
    "pi": math.pi,
    "2 pi": 2 * math.pi,
    "1/(2 pi)": 0.5 / math.pi,
    "sqrt(2)": math.sqrt(2),
    "1/sqrt(2)": math.sqrt(0.5),
    "ln 2": math.log(2),
    "1/ln 2": 1 / math.log(2),
}


def diagnose(value: Tensor, expected: Tensor, scales: Mapping[str, float] | None = None, rtol: float = 1e-6) -> str:
    """Name the mistake that turns ``expected`` into ``value``: a sign, a factor, a square, an inverse, an offset.

    ``scales`` are quantities that may have been forgotten or used once too often, e.g. {"sigma": 0.3}.
    """

    def close(guess: Tensor) -> bool:
        return guess.shape == value.shape and torch.allclose(value, guess, rtol=rtol, atol=rtol * float(expected.abs().max()))

    if not bool(expected.isfinite().all()):
        return "the expected answer is not finite itself: usual cause: it is taken at an end, where the formula divides by zero"
    if not bool(value.isfinite().all()):
        return "the answer is not finite: usual cause: a division by zero or the logarithm of zero at an end"
    if not bool(value.any()):
        return f"the answer is zero; largest difference {float(expected.abs().max()):.3g}"
    if close(-expected):
        return "sign flipped"
    for label, scale in (scales or {}).items():
        for how, factor in ((f"a factor {label} too much", scale), (f"a factor {label} missing", 1 / scale)):
            if close(expected * factor):
                return f"{how}, as when {label} stands where {label} squared belongs, or the other way round"
            if close(-expected * factor):
                return f"sign flipped and {how}"
        for how, factor in ((f"{label} squared too much", scale**2), (f"{label} squared missing", scale**-2)):
            if close(expected * factor):
                return f"a factor {how}"
    for label, factor in _FACTORS.items():
        if close(expected * factor):
            return f"off by a factor {label}"
        if close(-expected * factor):
            return f"sign flipped and off by a factor {label}"
    if bool((expected > 0).all()):
        if close(expected**2):
            return "the square of the answer: a variance where a standard deviation is asked for?"
        if close(expected.sqrt()):
            return "the square root of the answer: a standard deviation where a variance is asked for?"
        if close(expected.log()) or close(expected.exp()):
            return "the logarithm or the exponential of the answer"
    if bool((expected != 0).all()) and close(1 / expected):
        return "the inverse of the answer: turned upside down?"
    if value.numel() > 1:
        largest = expected.abs().argmax()
        ratio, shift = float((value / expected).flatten()[largest]), float((value - expected).mean())
        if math.isfinite(ratio) and close(expected * ratio):
            return f"off by a constant factor {ratio:.6g}"
        if close(expected + shift):
            return f"off by the constant {shift:.6g}"
    if value.ndim == 2 and value.shape[0] == value.shape[1] and close(expected.T):
        return "transposed"
    return f"largest difference {float((value - expected).abs().max()):.3g}"


@check
def same(
    value: Any,
    expected: Any,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    scales: Mapping[str, float] | None = None,
    points: float | int = 1,
    raises: bool = True,
) -> CheckResult:
    """Compare numbers, lists, arrays or tensors; a wrong answer is told what it looks like.

    Args:
        value, expected: the answer given and the right one, of equal shape.
        rtol, atol: relative and absolute tolerance.
        scales: quantities that may be missing or doubled, by name, e.g. {"sigma": 0.3, "alpha": 0.9}.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    got, want = numbers(value, None, "the answer"), torch.as_tensor(expected, dtype=torch.float64).detach().cpu()
    if got.shape != want.shape:
        problem = f"the answer has shape {tuple(got.shape)}, expected {tuple(want.shape)}"
        return conclude("same", problem, "", points, raises)
    right = torch.allclose(got, want, rtol=rtol, atol=atol)
    shown = f"got {_short(got)}, expected {_short(want)}: {diagnose(got, want, scales, max(rtol, 1e-9))}" if not right else None
    return conclude("same", shown, f"equal to a relative {rtol:g}", points, raises)


def _short(value: Tensor) -> str:
    flat = value.flatten().tolist()
    shown = ", ".join(f"{number:.6g}" for number in flat[:3])
    return shown if value.ndim == 0 else f"[{shown}{', ...' if len(flat) > 3 else ''}]"


@check
def is_deterministic(function: Callable[[], Any], *, points: float | int = 1, raises: bool = True) -> CheckResult:
    """Two calls give the same bits, and neither reads nor moves torch's global random state.

    Args:
        function: no arguments; makes its own ``torch.Generator`` where it draws; returns a tensor, or a tuple, a dict
            or a dataclass (such as :class:`~workbench.solution.Solution`) of tensors.
        points, raises: see :class:`CheckResult` and :class:`CheckFailed`.
    """
    before = torch.get_rng_state()
    try:
        first = list(_leaves(ask("function()", function)))
        moved = not torch.equal(before, torch.get_rng_state())
        second = list(_leaves(ask("function()", function)))
    finally:
        torch.set_rng_state(before)
    equal = len(first) == len(second) and all(_equal(a, b) for a, b in zip(first, second, strict=True))
    problem = None
    if moved:
        problem = "it draws from torch's global random state: usual cause: torch.randn without generator=..."
    elif not equal:
        problem = "two calls differ: usual cause: a generator made outside the function and used up by the first call"
    return conclude("is_deterministic", problem, "two calls agree to the last bit", points, raises)


def _leaves(value: Any) -> Iterator[Any]:
    """The tensors and other values that a tuple, a list, a dict or a dataclass is made of."""
    if isinstance(value, Mapping):
        value = [part for item in value.items() for part in item]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, tuple | list):
        for part in value:
            yield from _leaves(part)
    else:
        yield torch.as_tensor(value) if hasattr(value, "__array__") else value


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        same_kind = a.shape == b.shape and a.dtype == b.dtype
        return same_kind and bool(((a == b) | ((a != a) & (b != b))).all())
    return a is b or (type(a) is type(b) and bool(a == b or (a != a and b != b)))
