"""A chapter's kernel sees only what ``environment.yml`` supplies: those packages, and what they need in turn.

``make`` installs more than a reader on Binder has (Sphinx, pytest, diffusers, ...).  A chapter that leaned on it would break there and
nowhere else, so :func:`hide_the_rest` makes every other installed module unfindable in the kernels that ``execute.py`` starts: there
``import sphinx`` says ``No module named 'sphinx'``, as on Binder.
"""

import os
import re
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).resolve().parents[2] / "environment.yml"
PYPI_NAME = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
STARTUP = """
def _hide(hidden):
    import sys
    from importlib.machinery import PathFinder

    class Supplied(PathFinder):
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            return None if name in hidden else PathFinder.find_spec(name, path, target)

    sys.meta_path[:] = [Supplied if finder is PathFinder else finder for finder in sys.meta_path]


_hide(frozenset({hidden!r}))
del _hide
"""


def named(file: Path = FILE) -> dict[str, str]:
    """Each package that the file asks conda for, by its name on PyPI, with the versions it takes."""
    found = {}
    for line in yaml.safe_load(file.read_text("utf8"))["dependencies"]:
        if isinstance(line, str):
            name, versions = re.fullmatch(r"([\w.-]+)\s*(.*)", line).groups()
            found[canonicalize_name(PYPI_NAME.get(name, name))] = versions
    return found


def supplied(names: set[str]) -> set[str]:
    """``names`` and all that they need here, directly or not, by what each installed distribution says of itself."""
    found, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        asked = waiting.pop()
        key = canonicalize_name(asked.name), frozenset(asked.extras)
        if key in found:
            continue
        found.add(key)
        try:
            lines = requires(asked.name) or []
        except PackageNotFoundError:  # named in the file and not installed here, or needed on another system only
            continue
        for more in map(Requirement, lines):
            if more.marker is None or any(more.marker.evaluate({"extra": extra}) for extra in ("", *asked.extras)):
                waiting.append(more)
    return {name for name, _ in found}


def hidden() -> list[str]:
    """Top-level modules that are installed here and that no supplied distribution brings, our own package aside."""
    names = {name for name in named() if name != "python"} | {"ipykernel"}  # jupyterlab's kernel, where jupyterlab is not installed
    known = supplied(names) | {"few-steps-few-bits"}
    return sorted(module for module, owners in packages_distributions().items() if not known & {*map(canonicalize_name, owners)})


def hide_the_rest(folder: Path) -> dict[str, str]:
    """Make ``folder`` the place of IPython's settings, with a startup file that hides them; return the environment that says so."""
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00-supplied.py").write_text(STARTUP.format(hidden=hidden()), "utf8")
    return {"IPYTHONDIR": os.fspath(folder)}
