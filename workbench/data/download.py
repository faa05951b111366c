"""A download that survives a bad connection: it resumes, and the target appears only once its checksum is right.

Bytes go to ``target.part``. If the connection breaks, the next attempt (in this call or in a later one) asks the server
for the rest with an HTTP Range request; a server that does not know Range sends everything again, and that works too.
"""

import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from workbench.data.archive import ArchiveError, ArchiveSpec, md5_of, verify

_BLOCK = 1 << 16


class DownloadError(OSError):
    """The network did not deliver: no connection, an HTTP error, or a connection that keeps breaking."""


def download(
    spec: ArchiveSpec,
    root: Path,
    *,
    progress: bool = True,
    patience: int = 3,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Fetch ``spec.url`` to ``root / spec.filename`` and return that path; a file already there is only verified.

    It gives up after ``patience`` attempts in a row that get no further than before, waiting ``pause`` seconds (doubling)
    between them; ``timeout`` is the longest silence on the line in seconds. What has arrived is kept for the next call.
    Only one process at a time should fetch into the same folder; ``workbench.data.cifar10`` holds a lock around this.

    Raises ``DownloadError`` if the network fails, ``ArchiveError`` if what arrives is not the promised file.
    """
    target = root / spec.filename
    if target.exists():
        verify(target, spec)
        return target
    part = target.with_name(target.name + ".part")
    if _length(part) > spec.bytes:
        part.unlink()
    inherited = _length(part) > 0
    failures, furthest = 0, _length(part)
    while True:
        reason = None
        if _length(part) < spec.bytes:
            reason = _receive(spec, part, progress, timeout)
        if _length(part) == spec.bytes:
            md5 = md5_of(part)
            if md5 == spec.md5:
                os.replace(part, target)
                return target
            part.unlink()
            if not inherited:
                raise ArchiveError(f"what {spec.url} sent has md5 {md5}; it must be {spec.md5}. Nothing was kept")
            inherited = False  # an old piece may have been of another file: once more from the start
            continue
        if inherited and isinstance(reason, urllib.error.HTTPError) and reason.code == 416:
            part.unlink()  # the server's file ends before the old piece does: the piece is of another file
            inherited = False
            continue
        failures = 0 if _length(part) > furthest else failures + 1
        furthest = max(furthest, _length(part))
        if failures >= patience or _is_final(reason):
            raise DownloadError(_by_hand(spec, target, part, reason)) from reason
        if failures:
            time.sleep(pause * 2 ** (failures - 1))


def _receive(spec: ArchiveSpec, part: Path, progress: bool, timeout: float) -> Exception | None:
    """Append what the server sends to ``part``; return what went wrong, or None. More than promised is refused."""
    from tqdm.auto import tqdm

    have = _length(part)
    request = urllib.request.Request(spec.url, headers={"User-Agent": "few-steps-few-bits"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            resumes = response.status == 206
            sent = response.headers.get("Content-Range", "nothing")
            if resumes and not sent.startswith(f"bytes {have}-"):
                part.unlink()
                return ConnectionError(f"asked for bytes from {have} on, the server sent {sent}")
            have = have if resumes else 0
            with (
                part.open("ab" if resumes else "wb") as file,
                tqdm(total=spec.bytes, initial=have, unit="B", unit_scale=True, desc=spec.filename, disable=not progress) as bar,
            ):
                while block := response.read(_BLOCK):
                    have += len(block)
                    if have > spec.bytes:
                        raise ArchiveError(f"{spec.url} sends more than the {spec.bytes} bytes of {spec.filename}")
                    file.write(block)
                    bar.update(len(block))
    except ArchiveError:
        part.unlink()
        raise
    except urllib.error.HTTPError as error:
        return error
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the disk's trouble, not the network's
        return error
    return None if have == spec.bytes else ConnectionError(f"the connection ended after {have} of {spec.bytes} bytes")


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_final(reason: Exception | None) -> bool:
    return isinstance(reason, urllib.error.HTTPError) and reason.code in range(400, 500) and reason.code not in (408, 429)


def _by_hand(spec: ArchiveSpec, target: Path, part: Path, reason: Exception | None) -> str:
    kept = f" {_length(part)} bytes are kept in {part.name}; calling again resumes there." if _length(part) else ""
    return (
        f"could not download {spec.url} ({reason}).{kept} Without a network: fetch that file elsewhere "
        f"({spec.bytes} bytes, md5 {spec.md5}), put it at {target} and call again"
    )
