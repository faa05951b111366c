"""Files that travel with the package, so that every chapter runs without a download: each verified before it is used.

``load("cifar10-moments")`` returns ``Moments``, ``load("cifar10-classes")`` returns ``ClassMoments``; ``load("cifar10-facts")``
returns the recorded measurements that need the images.
``manifest.json`` says of each file what it was made from, by which command, and what may be claimed from it.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.artifacts.accuracy import AccuracyTable
from workbench.artifacts.classes import ClassMoments
from workbench.artifacts.classes import unpack as unpack_classes
from workbench.artifacts.manifest import FOLDER, ArtifactError, entry_of, read_manifest, verified
from workbench.artifacts.moments import Moments, unpack

__all__ = ["FOLDER", "AccuracyTable", "ArtifactError", "ClassMoments", "Moments", "available", "describe", "load", "rebuild"]


def available(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names that ``load`` knows."""
    return tuple(sorted(read_manifest(folder)))


def describe(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return what the manifest states of ``name``: file, bytes, sha256, source, claims, command, date, measurements."""
    return entry_of(name, folder)


def rebuild(name: str, folder: Path = FOLDER) -> str:
    """Return the command line that makes ``name`` again.

    The same file comes out only from the images that ``describe(name)["source"]`` names: for one made from a JPEG copy, a build
    from the official archive (``--source official``) has other small eigenvalues, and so another hash.
    """
    return entry_of(name, folder)["command"]


@lru_cache(maxsize=1)
def _unpacked(content: bytes) -> Moments:
    """Orthonormalized once a process: every law of a chapter shares these tensors, so leave them as they are."""
    return unpack(content)


def load(name: str, folder: Path = FOLDER) -> Moments | ClassMoments | dict[str, Any]:
    """Return artifact ``name``, after its length and sha256 have been checked against the manifest.

    Raises ``ArtifactError`` (a ``ValueError``) for an unknown name, and for a missing, cut or altered file, saying
    what restores it.
    """
    entry = entry_of(name, folder)
    kind, content = entry["kind"], verified(name, folder)
    if kind == "moments":
        return _unpacked(content)
    if kind == "classes":
        return unpack_classes(content, tuple(entry["measured"]["classes"]))
    if kind == "facts":
        return json.loads(content)
    raise ArtifactError(f"{name!r} is of kind {kind!r}, which this version cannot read; update the package")
