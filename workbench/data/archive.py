"""A downloaded archive is a stranger: what is expected of it is written down, and nothing else is ever unpacked.

The order matters. Size and checksum first; then every member is judged before a byte of it is written; then everything
is written to a temporary folder beside the target; only a complete folder gets its final name, by one rename.
"""

import hashlib
import os
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_BLOCK = 1 << 20
_UNLISTED_BYTES = 1 << 20


class ArchiveError(ValueError):
    """A file is not what it should be: wrong size, wrong checksum, unsafe or missing members."""


@dataclass(frozen=True)
class ArchiveSpec:
    """What a ``.tar.gz`` data archive must be: where it lives, its length and md5, the files in it with their lengths.

    ``train`` and ``test`` list ``(file name, bytes)`` inside ``folder``. For a mirror use ``dataclasses.replace(spec,
    url=...)``: the checksum still decides.
    """

    url: str
    bytes: int
    md5: str
    folder: str
    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]

    @property
    def filename(self) -> str:
        """The archive's own file name, the last part of its address."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def files(self) -> tuple[tuple[str, int], ...]:
        """``(file name, bytes)`` of both splits."""
        return self.train + self.test


def md5_of(path: Path) -> str:
    """Return the md5 of a file as hexadecimal text, reading it in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def verify(path: Path, spec: ArchiveSpec) -> None:
    """Raise ``ArchiveError`` unless the file at ``path`` has exactly the length and the md5 that ``spec`` states."""
    size = path.stat().st_size
    if size != spec.bytes:
        raise ArchiveError(f"{path} has {size} bytes; {spec.filename} has {spec.bytes}. Delete it and call again")
    md5 = md5_of(path)
    if md5 != spec.md5:
        raise ArchiveError(f"{path} has md5 {md5}; it must be {spec.md5}. Delete it and call again")


def extract(path: Path, spec: ArchiveSpec, root: Path) -> Path:
    """Unpack the verified archive at ``path`` into ``root / spec.folder`` and return that folder.

    Raises ``ArchiveError``, leaving nothing behind, if the checksum is wrong, a listed file is missing, repeated or of
    another length, or any member is a link, a device, an absolute path, climbs out of its folder or is a large
    stranger. Small regular files that are not listed are passed over.
    """
    verify(path, spec)
    with tempfile.TemporaryDirectory(dir=root, prefix=f".{spec.folder}-") as temporary:
        folder = Path(temporary, spec.folder)
        folder.mkdir()
        try:
            _unpack(path, spec, folder)
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's trouble (full, not writable), not the archive's
            raise ArchiveError(f"{path} is not a readable .tar.gz archive: {error}") from error
        os.replace(folder, root / spec.folder)
    return root / spec.folder


def _unpack(path: Path, spec: ArchiveSpec, folder: Path) -> None:
    listed = {PurePosixPath(spec.folder, name): size for name, size in spec.files}
    missing, unlisted = set(listed), 0
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            _refuse_unsafe(member, name)
            if member.isdir():
                continue
            if name not in listed:
                unlisted += member.size
                if unlisted > _UNLISTED_BYTES:
                    raise ArchiveError(f"{member.name!r} in the archive is {member.size} bytes that nobody expects")
                continue
            if member.size != listed[name]:
                raise ArchiveError(f"{member.name!r} has {member.size} bytes in the archive; it must be {listed[name]}")
            if name not in missing:
                raise ArchiveError(f"{member.name!r} is in the archive twice")
            _copy(archive, member, folder / name.name)
            missing.remove(name)
    if missing:
        raise ArchiveError(f"the archive lacks {', '.join(sorted(map(str, missing)))}")


def _refuse_unsafe(member: tarfile.TarInfo, name: PurePosixPath) -> None:
    if not (member.isreg() or member.isdir()):
        raise ArchiveError(f"{member.name!r} in the archive is a link or a device; only plain files are accepted")
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or ":" in member.name:
        raise ArchiveError(f"{member.name!r} in the archive points outside its folder")


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = archive.extractfile(member)
    assert source is not None  # it is a regular file
    with source, target.open("xb") as file:
        while block := source.read(_BLOCK):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if target.stat().st_size != member.size:
        raise ArchiveError(f"{member.name!r} is cut short in the archive")
