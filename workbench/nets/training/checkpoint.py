"""A training run as one file, written so that a power cut at any moment leaves the old file or the new one, never half of either."""

import pickle
import platform
from pathlib import Path
from typing import Any

import torch

from workbench.atomic import replacing


class CheckpointError(ValueError):
    """A checkpoint is unreadable, or of another run than the one to be continued; the message says what differs."""


def save(path: Path, state: dict[str, Any], settings: dict[str, Any]) -> None:
    """Write the state of a trainer and the settings it depends on, atomically, with the versions they were made with."""
    with replacing(path) as file:
        torch.save({"state": state, "settings": settings, "versions": versions()}, file)


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Return state, settings and versions from a file that :func:`save` wrote.  Nothing in it is executed.

    Raises:
        CheckpointError: for a file that is something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return content["state"], content["settings"], content["versions"]
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is no checkpoint of this package ({error}); delete it to start again") from error


def differences(stored: dict[str, Any], wanted: dict[str, Any], free: tuple[str, ...] = ()) -> list[str]:
    """Return one line for each setting, outside ``free``, in which a stored run and the wanted one differ."""
    lines = []
    for name in sorted({*stored, *wanted} - set(free)):
        old, new = stored.get(name, "nothing"), wanted.get(name, "nothing")
        if old != new:
            lines.append(f"{name}: the checkpoint has {old!r}, you ask for {new!r}")
    return lines


def versions() -> dict[str, str]:
    """The versions on which the last digits of a run depend."""
    import workbench

    return {"workbench": workbench.__version__, "torch": str(torch.__version__), "python": platform.python_version()}
