"""Notice when a submission has changed what judges it."""

import builtins
import math
import sys
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, ModuleType, WrapperDescriptorType

JUDGES = ("workbench", "book._course")
KINDS = (FunctionType, BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, staticmethod, classmethod, property, type)

CONSTANTS = (tuple, frozenset, str, int, float)


class Fingerprint:
    """Which functions and classes the judges consist of: ``workbench``, this package, ``builtins``, ``math``, ``torch`` and ``Tensor``.

    Replacing a function, its code, or a constant of ``workbench`` is noticed.  What appears later is not, because modules may be imported
    lazily, nor is what changes inside an object, such as a tensor that is written to.
    """

    def __init__(self) -> None:
        import torch

        self._seen: dict[str, tuple] = {}
        names = [name for name in sys.modules if name.partition(".")[0] in JUDGES or name.startswith(JUDGES)]
        self._places = [sys.modules[name] for name in names if isinstance(sys.modules[name], ModuleType)]
        self._places += [builtins, math, torch, torch.linalg, torch.special, torch.Tensor, torch.Generator]
        for place in list(self._places):
            for value in vars(place).values():
                if isinstance(value, type) and (value.__module__ or "").startswith(JUDGES):
                    self._places.append(value)
        for place in self._places:
            self._seen.update(_contents(place))

    def changed(self) -> list[str]:
        """The full names of what is not as it was."""
        now = {}
        for place in self._places:
            now.update(_contents(place))
        return sorted(name for name, was in self._seen.items() if name not in now or not all(map(_same, now[name], was)))


def _same(a: object, b: object) -> bool:
    """One object, or two equal constants."""
    return a is b or (isinstance(a, CONSTANTS) and type(a) is type(b) and a == b)


def _contents(place) -> dict[str, tuple]:
    """Names and the objects behind them; of a function also the code and the defaults."""
    where = getattr(place, "__qualname__", None)
    prefix = f"{place.__module__}.{where}" if where else place.__name__
    found, ours = {}, isinstance(place, ModuleType) and place.__name__.startswith("workbench")
    for name, value in list(vars(place).items()):
        if isinstance(value, KINDS) or (ours and not name.startswith("__") and isinstance(value, CONSTANTS)):
            inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            parts = (inner.__code__, inner.__defaults__) if isinstance(inner, FunctionType) else (None, None)
            found[f"{prefix}.{name}"] = (value, *parts)
    return found
