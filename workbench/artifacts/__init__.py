"""Files that travel with the package, so that every chapter runs without a download: each verified before it is used.

``load("cifar10-moments")`` returns ``Moments``, ``load("cifar10-classes")`` returns ``ClassMoments``; ``load("cifar10-denoiser")``
returns a trained network as a ``Denoiser``, ``load("cifar10-denoiser-history")`` the same one earlier in its training, by the
number of images it had seen; ``load("cifar10-dit")`` returns a small transformer in its place; ``load("cifar10-classifier")``
returns a ``Classifier``, and ``load("cifar10-features")`` the ``FeatureStatistics`` that its features have over the images of
"train" and of "test"; ``load("stand-in-images")`` returns samples of the denoiser as a data set, ``StandIns``;
``load("cifar10-statistics")`` returns what DPM-Solver-v3 knows of the denoiser, ``ModelStatistics`` by name;
``load("cifar10-nine")`` returns the nine pictures of the denoiser by schedule; ``load("ring-flows")`` returns three rounds of
rectified flow on the ring, by round and seed, ``load("ring-one-step")`` four ways to one evaluation on it, by name and seed,
``load("ring-deep")`` a flow of it with nine narrow layers; ``load("integer-flow")`` returns a lossless codec for small pictures,
by "codec", and by "floats" the flow that it was rounded from;
``load("cifar10-facts")`` returns the recorded measurements that need the images.
``manifest.json`` says of each file what it was made from, by which command, and what may be claimed from it.

A folder named by the environment variable ``WORKBENCH_ARTIFACTS``, with a manifest of its own, comes before the package's: so the
book runs on a network that you have trained.
"""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from workbench.artifacts import features, networks
from workbench.artifacts.accuracy import AccuracyTable
from workbench.artifacts.classes import ClassMoments
from workbench.artifacts.classes import unpack as unpack_classes
from workbench.artifacts.manifest import FOLDER, ArtifactError, entry_of, read_manifest, verified
from workbench.artifacts.moments import Moments, unpack
from workbench.artifacts.stand_in import StandIns
from workbench.artifacts.stand_in import unpack as unpack_stand_ins
from workbench.denoiser import Denoiser

__all__ = [
    "FOLDER",
    "AccuracyTable",
    "ArtifactError",
    "ClassMoments",
    "Moments",
    "StandIns",
    "available",
    "describe",
    "load",
    "networks",
    "rebuild",
    "summary",
]


def folder_of(name: str) -> Path:
    """The folder that ``name`` is taken from: that of ``WORKBENCH_ARTIFACTS`` if its manifest has it, else the package's."""
    own = os.environ.get("WORKBENCH_ARTIFACTS")
    return Path(own) if own and name in read_manifest(Path(own)) else FOLDER


def available(folder: Path | None = None) -> tuple[str, ...]:
    """Return the names that ``load`` knows."""
    if folder is not None:
        return tuple(sorted(read_manifest(folder)))
    own = os.environ.get("WORKBENCH_ARTIFACTS")
    return tuple(sorted({*read_manifest(FOLDER), *(read_manifest(Path(own)) if own else ())}))


def describe(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Return what the manifest states of ``name``: file, bytes, sha256, source, claims, command, date, measurements."""
    return entry_of(name, folder or folder_of(name))


def rebuild(name: str, folder: Path | None = None) -> str:
    """Return the command line that makes ``name`` again.

    The same file comes out only from the images that ``describe(name)["source"]`` names: for one made from a JPEG copy, a build
    from the official archive (``--source official``) has other small eigenvalues, and so another hash.
    """
    return describe(name, folder)["command"]


def summary(name: str, folder: Path | None = None) -> str:
    """Return in a few lines what a chapter that uses ``name`` says of it: what it is, how it was made, what may be claimed."""
    entry = describe(name, folder)
    words = entry["measured"].get("words", "")
    return f"{name} ({entry['bytes'] / 1e6:.1f} MB, {entry['date']}): {words}\nMade from: {entry['source']}\n{entry['claims']}"


@lru_cache(maxsize=1)
def _unpacked(content: bytes) -> Moments:
    """Orthonormalized once a process: every law of a chapter shares these tensors, so leave them as they are."""
    return unpack(content)


def load(name: str, folder: Path | None = None) -> Moments | ClassMoments | StandIns | Denoiser | nn.Module | dict[Any, Any]:
    """Return artifact ``name``, after its length and sha256 have been checked against the manifest.

    Raises ``ArtifactError`` (a ``ValueError``) for an unknown name, and for a missing, cut or altered file, saying
    what restores it.
    """
    folder = folder or folder_of(name)
    entry = entry_of(name, folder)
    kind, content = entry["kind"], verified(name, folder)
    if kind == "moments":
        return _unpacked(content)
    if kind == "classes":
        return unpack_classes(content, tuple(entry["measured"]["classes"]))
    if kind == "denoiser":
        return networks.denoiser(*networks.unpack(content))
    if kind == "history":
        nets, about = networks.unpack_history(content)
        return {images: networks.denoiser(net, about) for images, net in nets.items()}
    if kind == "classifier":
        return networks.unpack(content)[0]
    if kind == "features":
        return features.unpack(content)
    if kind == "stand-in":
        return unpack_stand_ins(content, tuple(entry["measured"]["classes"]), summary(name, folder))
    if kind == "pictures":
        from workbench.artifacts import cifar10_nine

        return cifar10_nine.unpack(content)
    if kind == "flows":
        from workbench.artifacts import ring_flows

        return ring_flows.unpack(content)
    if kind == "one-step":
        from workbench.artifacts import ring_one_step

        return ring_one_step.unpack(content)
    if kind == "integer-flow":
        from workbench.artifacts import integer_flow

        return integer_flow.unpack(content)
    if kind == "statistics":
        from workbench.artifacts import cifar10_statistics

        return cifar10_statistics.unpack(content)
    if kind == "facts":
        return json.loads(content)
    raise ArtifactError(f"{name!r} is of kind {kind!r}, which this version cannot read; update the package")
