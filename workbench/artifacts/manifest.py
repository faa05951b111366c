"""The manifest: what each shipped file is, where it came from, what may be claimed from it, and how to make it again."""

import datetime
import hashlib
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from workbench.atomic import write

FOLDER = Path(__file__).resolve().parent
"""Where the shipped artifacts and their manifest live."""

FIELDS = ("kind", "file", "bytes", "sha256", "source", "claims", "command", "date", "made_with", "measured")
"""What every entry of the manifest states."""

SOURCES = {
    "official": (
        "The 50,000 training images of CIFAR-10, from the official binary archive.",
        "Measurements of CIFAR-10's training images.",
    ),
    "jpeg-copy": (
        "A JPEG copy (quality 75, 4:2:0 chroma subsampling) of CIFAR-10's 50,000 training images, in shuffled order.",
        "The small eigenvalues and the finest texture differ from the original's, because JPEG rounds them away. "
        "Nothing measured on it is a result on the original CIFAR-10.",
    ),
}
"""For each kind of training images a build can be told it was given: the source in words, and what may be claimed."""

RECORDS = {
    "exact-laws": (
        "Laws whose exact answers are known: the ring, and laws of 3072 dimensions made from the artifact cifar10-moments (a JPEG copy).",
        "Errors of samplers on these laws, from fixed seeds: any machine gives the same digits. They are no results on a trained network.",
    ),
    "own-network": (
        "Samples of the network cifar10-denoiser, each from the noise of a fixed seed. There is no photograph among them.",
        "These are not CIFAR-10 images, and what is measured on them is said of them alone: a network's samples are smoother and less "
        "varied than what it was trained on.",
    ),
    "ring": (
        "Points of the ring, drawn from its exact law with fixed seeds.",
        "Small flows of points of the plane and what was measured on them: no result on pictures. Another machine rounds otherwise, and "
        "training then ends on other weights; the conclusions are those that hold for every seed.",
    ),
    "toy-training": (
        "Points of the ring and pairs of its exact flow, drawn from fixed seeds; small networks trained on them.",
        "Results on one toy law, with the seeds and settings that the record states. They say nothing about pictures.",
    ),
    "own-training": (
        "Points of the ring, drawn from fixed seeds, and samples of the network cifar10-denoiser; small networks trained on them.",
        "Results of short trainings with the seeds and settings that the record states; none saw a photograph. They compare ways of training "
        "with one another, and say nothing of long ones.",
    ),
    "one-machine": (
        "The package and diffusers, timed side by side on one machine.",
        "Ratios carry over to machines of the same kind; microseconds do not.",
    ),
}
"""The same for what needs no images: the benchmarks, and samples of our own network."""


class ArtifactError(ValueError):
    """A shipped file is unknown, missing or not what the manifest promises; the message says what restores it."""


def read_manifest(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Return name -> entry. Raises ``ArtifactError`` if there is no readable manifest in ``folder``."""
    try:
        return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"no readable manifest.json in {folder} ({error}); reinstall the package") from error


def entry_of(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the manifest's entry for ``name``. Raises ``ArtifactError`` naming what there is if it is unknown."""
    manifest = read_manifest(folder)
    if name not in manifest:
        raise ArtifactError(f"no artifact is called {name!r}; there are {', '.join(sorted(manifest)) or 'none'}")
    return manifest[name]


def verified(name: str, folder: Path = FOLDER) -> bytes:
    """Return the content of artifact ``name`` after checking its length and sha256 against the manifest.

    Raises ``ArtifactError``, which says what restores it, if the file is missing, cut short or altered.
    """
    entry = entry_of(name, folder)
    path = folder / entry["file"]
    remedy = _remedy(entry)
    if not path.is_file():
        raise ArtifactError(f"{path} is missing. {remedy}")
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise ArtifactError(f"{path} has {size} bytes; the manifest says {entry['bytes']}. {remedy}")
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != entry["sha256"]:
        raise ArtifactError(f"{path} has sha256 {sha256}; the manifest says {entry['sha256']}. {remedy}")
    return content


def _remedy(entry: dict[str, Any]) -> str:
    """What to do about a damaged file: the package brings it back; making it again gives the same file from the same images only."""
    words = "Reinstall the package, which restores the shipped file."
    if entry["source"] in {words for words, _ in RECORDS.values()}:
        return f"{words} `{entry['command']}` in the repository makes it again"
    words += f" `{entry['command']}` makes one from the images"
    if entry["source"] == SOURCES["jpeg-copy"][0]:
        words += (
            "; the shipped one was made from a JPEG copy of them, so from the official archive (--source official) the small "
            "eigenvalues come out different, and with them the hash"
        )
    return words


def publish(
    name: str,
    content: bytes,
    folder: Path,
    *,
    file: str,
    kind: str,
    source: str,
    command: str,
    measured: dict[str, Any],
) -> dict[str, Any]:
    """Write ``content`` to ``folder / file`` and its entry to the manifest, each by one atomic rename; return the entry.

    ``source`` is a key of ``SOURCES`` or of ``RECORDS``. The file is renamed into place first; should the machine stop between the two
    renames, ``verified`` refuses the pair until the build has been run again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(folder) if (folder / "manifest.json").exists() else {}
    words, claims = (SOURCES | RECORDS)[source]
    manifest[name] = {
        "kind": kind,
        "file": file,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "source": words,
        "claims": claims,
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "made_with": made_with(),
        "measured": measured,
    }
    write(folder / file, content)
    _write(manifest, folder)
    return manifest[name]


def add_measured(name: str, folder: Path, **measured: Any) -> dict[str, Any]:
    """Add to what the manifest says was measured of ``name``, whose file stays as it is; return the entry.

    For what can only be measured once the artifact is there.  Raises ``ArtifactError`` if it is not.
    """
    entry_of(name, folder)
    manifest = read_manifest(folder)
    manifest[name]["measured"] |= measured
    _write(manifest, folder)
    return manifest[name]


def _write(manifest: dict[str, dict[str, Any]], folder: Path) -> None:
    text = json.dumps(dict(sorted(manifest.items())), indent=2, ensure_ascii=False) + "\n"
    write(folder / "manifest.json", text.encode())


def made_with() -> dict[str, str | int | None]:
    """Return versions, processor, threads and (inside a checkout) the commit a build ran with."""
    git = ["git", "-C", str(FOLDER), "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        commit = None
    return {
        "commit": commit,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
    }
