"""How a check calls code that may be wrong: whatever goes amiss becomes a named problem, never a crash of the check."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from workbench.checks.result import CheckResult, conclude


class Problem(Exception):
    """What is wrong with the code under test, in words; :func:`check` turns it into a failed result."""


def check(function: Callable[..., CheckResult]) -> Callable[..., CheckResult]:
    """Make a check of a function that may raise :class:`Problem`: the problem is its verdict."""

    @functools.wraps(function)
    def checked(*args: Any, points: float | int = 1, raises: bool = True, **kwargs: Any) -> CheckResult:
        try:
            return function(*args, points=points, raises=raises, **kwargs)
        except Problem as problem:
            return conclude(function.__name__, str(problem), "", points, raises)

    return checked


def ask(what: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """function(\\*args, \\*\\*kwargs); an exception becomes a :class:`Problem` that says what raised it, and the usual cause.

    Args:
        what: how the message calls the code, e.g. "step(model, x, t, s)": the arguments as they are passed.
        function, args, kwargs: the call.
    """
    try:
        return function(*args, **kwargs)
    except Problem:
        raise
    except Exception as error:
        text = str(error).strip().split("\n")[0]
        kind = type(error).__name__
        raise Problem(f"{what} raised {kind}{': ' + text if text else ''}: usual cause: {_cause(error, what)}") from error


def _cause(error: Exception, what: str) -> str:
    text = str(error)
    if isinstance(error, NotImplementedError):
        return "a part that is still to be written"
    if isinstance(error, NameError):
        return "a misspelled name, or a cell that was not run"
    if isinstance(error, TypeError) and "argument" in text:
        return f"other parameters than those of the call, which is {what}"
    if "NoneType" in text:
        return "a function without a return"
    if isinstance(error, AttributeError):
        return "a misspelled name, or an object of another kind than it is taken for"
    if isinstance(error, ArithmeticError) or "domain" in text:
        return "a division by zero, or a logarithm or a root outside its domain: look at both ends of the time range"
    if "dtype" in text or "scalar type" in text:
        return "a tensor made without dtype=x.dtype: the states of a check are float64"
    if "size" in text or "shape" in text:
        return "tensors whose shapes do not broadcast: the state is (batch, *shape)"
    return "the line named at the end of its traceback"


def numbers(value: Any, shape: tuple[int, ...] | None, what: str) -> Tensor:
    """``value`` as a float64 tensor on the CPU, without a graph; a :class:`Problem` unless it is numbers of this shape.

    Args:
        value: what the code under test returned: a tensor, an array, a list or a number.
        shape: the shape needed; None accepts every shape.
        what: how the message calls it, e.g. "the score".
    """
    if value is None:
        raise Problem(f"{what} is None: usual cause: a function without a return")
    try:
        if not isinstance(value, Tensor):  # an array keeps its dtype; numbers and lists of them are float64 from the start
            array = hasattr(value, "__array__")
            value = torch.as_tensor(value.copy() if array else value, dtype=None if array else torch.float64)
        got = value.detach().cpu()
        if got.is_complex():
            raise TypeError("complex numbers")
        got = got.to(torch.float64)
    except Exception as error:
        raise Problem(
            f"{what} is of type {type(value).__name__}, expected numbers (a tensor, an array or a list): usual cause: "
            "another object is returned than the one asked for"
        ) from error
    if shape is not None and got.shape != shape:
        raise Problem(f"{what} has shape {tuple(got.shape)}, expected {tuple(shape)}")
    return got


def number(value: Any, what: str) -> float:
    """``value`` as a float; a :class:`Problem` unless it is one number."""
    got = numbers(value, None, what)
    if got.numel() != 1:
        raise Problem(f"{what} has shape {tuple(got.shape)}, expected one number")
    return float(got)
