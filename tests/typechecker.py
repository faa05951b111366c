"""How types and shapes are enforced while testing: every function of the package is checked as its module is loaded.

beartype checks each call (an int passes wherever a float is asked for, PEP 484's numeric tower).  Where a signature names shapes, all
its tensors are compared with one another inside one context of jaxtyping.  jaxtyping has an import hook of its own; it opens that
context for scalar functions too and checks each argument twice, which costs more than most of what our planning functions do.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder, SourceFileLoader
from inspect import isclass, isfunction, unwrap
from types import ModuleType
from typing import Any

from beartype import BeartypeConf, beartype
from jaxtyping import jaxtyped

CONFIGURATION = BeartypeConf(is_pep484_tower=True, violation_type=TypeError)


def names_shapes(hint: Any) -> bool:
    """Whether a jaxtyping annotation stands anywhere in an annotation."""
    inside = getattr(hint, "__args__", ())
    return (
        "jaxtyping" in getattr(hint, "__module__", "") or (isinstance(hint, str) and "[" in hint) or any(map(names_shapes, inside))
    )


def checked(function: Callable) -> Callable:
    """The function with its arguments and its answer checked at every call."""
    known = beartype(conf=CONFIGURATION)(function)
    if known is function or not any(names_shapes(hint) for hint in function.__annotations__.values()):
        return known

    @functools.wraps(function)
    def in_one_context(*args, **kwargs):
        with jaxtyped("context"):
            return known(*args, **kwargs)

    return in_one_context


def check_members(owner: type | ModuleType, file: str) -> None:
    """Replace by checked ones the functions written in ``file``, decorated or not, and the __init__ of its dataclasses."""

    def here(function: Any) -> bool:
        return isfunction(function) and unwrap(function).__code__.co_filename == file

    for name, member in list(vars(owner).items()):
        if here(member) or (name == "__init__" and isfunction(member) and dataclasses.is_dataclass(owner)):
            setattr(owner, name, checked(member))
        elif isinstance(member, classmethod | staticmethod) and here(member.__func__):
            setattr(owner, name, type(member)(checked(member.__func__)))
        elif isinstance(member, property) and here(member.fget):
            setattr(owner, name, property(checked(member.fget), member.fset, member.fdel, member.__doc__))
        elif isinstance(member, functools.cached_property) and here(member.func):
            member.func = checked(member.func)
        elif hasattr(member, "cache_parameters") and here(member.__wrapped__):
            setattr(owner, name, functools.lru_cache(**member.cache_parameters())(checked(member.__wrapped__)))
        elif isclass(member) and isinstance(owner, ModuleType) and member.__module__ == owner.__name__:
            check_members(member, file)


class CheckingLoader(SourceFileLoader):
    """Loads a module and checks its functions before anyone can import one of them."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        check_members(module, self.path)


class CheckingFinder(PathFinder):
    """Finds the modules of the package, and leaves all others to Python."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.split(".")[0] != "workbench":
            return None
        spec = super().find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = CheckingLoader(spec.loader.name, spec.loader.path)
        return spec


def install() -> None:
    """Check every module of the package from now on; it must not have been imported yet."""
    if "workbench" in sys.modules:
        raise RuntimeError(
            "workbench was imported before its type checks; import nothing of it in a plugin or in tests/conftest.py"
        )
    sys.meta_path.insert(0, CheckingFinder)
