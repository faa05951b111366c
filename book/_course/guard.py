"""Notice when a submission has changed what judges it."""

import builtins
import math
import sys
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, ModuleType, WrapperDescriptorType

JUDGES = ("workbench", "book._course")
KINDS = (FunctionType, BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, staticmethod, classmethod, property, type)


class Fingerprint:
    """Which functions and classes the judges consist of: ``workbench``, this package, ``builtins``, ``math``, ``torch`` and ``Tensor``.

    Replacing a name or the code of a function is noticed.  Names that appear later are not: modules may be imported lazily.
    """

    def __init__(self) -> None:
        import torch

        self._seen: dict[str, tuple] = {}
        names = [name for name in sys.modules if name.partition(".")[0] in JUDGES or name.startswith(JUDGES)]
        self._places = [sys.modules[name] for name in names if isinstance(sys.modules[name], ModuleType)]
        self._places += [builtins, math, torch, torch.linalg, torch.special, torch.Tensor, torch.Generator]
        for place in list(self._places):
            for value in vars(place).values():
                if isinstance(value, type) and value.__module__.startswith(JUDGES):
                    self._places.append(value)
        for place in self._places:
            self._seen.update(_contents(place))

    def changed(self) -> list[str]:
        """The full names of what is not as it was."""
        now = {}
        for place in self._places:
            now.update(_contents(place))
        return sorted(
            name
            for name, was in self._seen.items()
            if name not in now or any(a is not b for a, b in zip(now[name], was, strict=True))
        )


def _contents(place) -> dict[str, tuple]:
    """Names and the objects behind them; of a function also the code and the defaults."""
    where = getattr(place, "__qualname__", None)
    prefix = f"{place.__module__}.{where}" if where else place.__name__
    found = {}
    for name, value in list(vars(place).items()):
        if isinstance(value, KINDS):
            inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            parts = (inner.__code__, inner.__defaults__) if isinstance(inner, FunctionType) else (None, None)
            found[f"{prefix}.{name}"] = (value, *parts)
    return found
