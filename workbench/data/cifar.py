"""CIFAR-10 from its official binary archive: no pickles, no surprises."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from workbench.data.archive import ArchiveError, ArchiveSpec, extract
from workbench.data.download import download as fetch

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The ten classes, in the order of the labels."""

_RECORD = 1 + 3 * 32 * 32

CIFAR10_ARCHIVE = ArchiveSpec(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    bytes=170_052_171,
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    folder="cifar-10-batches-bin",
    train=tuple((f"data_batch_{index}.bin", 10_000 * _RECORD) for index in range(1, 6)),
    test=(("test_batch.bin", 10_000 * _RECORD),),
)
"""The official archive: 50,000 training and 10,000 test images (``krizhevsky2009cifar``)."""


@dataclass(frozen=True, eq=False)
class Cifar10:
    """Images ``(n, 3, 32, 32)`` as uint8, labels ``(n,)`` as int64 in 0..9, and the names of the classes."""

    images: UInt8[Tensor, "n 3 32 32"]
    labels: Int64[Tensor, " n"]
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return len(self.images)

    def floats(self, dtype: torch.dtype = torch.float32) -> Float[Tensor, "n 3 32 32"]:
        """Return the images as ``x / 127.5 - 1``, in [-1, 1]."""
        return to_floats(self.images, dtype)


def to_floats(images: UInt8[Tensor, "*shape"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "*shape"]:
    """Map pixels 0..255 to ``x / 127.5 - 1``, in [-1, 1]: the unit of every image model in this package."""
    return images.to(dtype) / 127.5 - 1


def to_bytes(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """The nearest pixels 0..255 of images in [-1, 1], what is beyond cut off: the inverse of :func:`to_floats`."""
    return ((images.detach() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder for data: ``root``, else the environment's ``WORKBENCH_DATA``, else ``~/.cache/workbench``."""
    return Path(root or os.environ.get("WORKBENCH_DATA") or "~/.cache/workbench").expanduser()


def cifar10(
    split: str = "train",
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    progress: bool = True,
    archive: ArchiveSpec = CIFAR10_ARCHIVE,
) -> Cifar10:
    """Return the ``"train"`` (50,000) or ``"test"`` (10,000) images of CIFAR-10.

    Looks in ``root`` (see ``data_root``) for the unpacked folder ``cifar-10-batches-bin``, or is given that folder
    itself; else for the archive, which it verifies and unpacks; else downloads the archive (162 MiB) if ``download``.
    Calls from several processes at once wait for each other. A broken download is resumed by the next call, and
    nothing is used before its checksum or length has been verified.

    Raises ``ValueError`` for another ``split``, ``FileNotFoundError`` if the data is absent and ``download`` is false,
    ``DownloadError`` (an ``OSError``) if the network fails and ``ArchiveError`` (a ``ValueError``) if a file is not
    what it should be.
    """
    if split not in ("train", "test"):
        raise ValueError(f'split is {split!r}; it must be "train" or "test"')
    folder = _folder(data_root(root), download, progress, archive)
    parts = [_records(folder / name, size) for name, size in (archive.train if split == "train" else archive.test)]
    records = np.concatenate(parts)
    images = torch.from_numpy(records[:, 1:].copy()).reshape(-1, 3, 32, 32)
    return Cifar10(images, torch.from_numpy(records[:, 0].astype(np.int64)))


def _folder(root: Path, download: bool, progress: bool, archive: ArchiveSpec) -> Path:
    """Return the folder with the unpacked files, unpacking or downloading first where needed."""
    for folder in (root, root / archive.folder):
        if any((folder / name).exists() for name, _ in archive.files):
            return folder
    target = root / archive.filename
    if not download and not target.exists():
        raise FileNotFoundError(
            f"no {archive.folder} and no {archive.filename} in {root}. Call with download=True, or fetch {archive.url} "
            f"({archive.bytes} bytes, md5 {archive.md5}) and put it at {target}"
        )
    from filelock import FileLock

    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{archive.filename}.lock"):
        folder = root / archive.folder
        if not folder.exists():  # another process may have made it while this one waited
            extract(fetch(archive, root, progress=progress), archive, root)
    return folder


def _records(path: Path, size: int) -> np.ndarray:
    """Read one file of records: one label byte, then 1024 red, 1024 green and 1024 blue bytes."""
    found = path.stat().st_size if path.exists() else 0
    if found != size:
        raise ArchiveError(f"{path} has {found} bytes; it must have {size}. Delete {path.parent} and call again")
    records = np.fromfile(path, dtype=np.uint8).reshape(-1, _RECORD)
    wrong = np.flatnonzero(records[:, 0] >= len(CLASSES))
    if len(wrong):
        label = records[wrong[0], 0]
        raise ArchiveError(f"record {wrong[0]} of {path} has label {label}; labels are 0 to 9. Delete {path.parent}")
    return records
