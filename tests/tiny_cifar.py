"""A tiny archive in the layout of CIFAR-10: six files of four random records each."""

import hashlib
import io
import tarfile

import numpy as np

from workbench.data.archive import ArchiveSpec

FOLDER = "cifar-10-batches-bin"
NAMES = [f"data_batch_{index}.bin" for index in range(1, 6)] + ["test_batch.bin"]
EACH = 4
RECORD = 3073


def records(seed, count=EACH):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 256, (count, RECORD), dtype=np.uint8)
    rows[:, 0] = rng.integers(0, 10, count)
    return rows


def plain_members():
    """Return name -> bytes of a well-formed archive, with the small extra files that the official one has."""
    members = {f"{FOLDER}/{name}": records(seed).tobytes() for seed, name in enumerate(NAMES)}
    return members | {f"{FOLDER}/batches.meta.txt": b"airplane\n", f"{FOLDER}/readme.html": b"<html>"}


def tar_gz(members, special=()):
    """Pack ``members`` (name -> bytes) and then ``special`` (ready TarInfo objects) into .tar.gz bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        directory = tarfile.TarInfo(FOLDER)
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in special:
            archive.addfile(info)
    return buffer.getvalue()


def spec_for(content, url="http://127.0.0.1:1/tiny.tar.gz"):
    sizes = [(name, EACH * RECORD) for name in NAMES]
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return ArchiveSpec(url, len(content), md5, FOLDER, train=tuple(sizes[:5]), test=tuple(sizes[5:]))
