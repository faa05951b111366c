"""What a process gives up before it runs a stranger's code.  Only systems with POSIX limits (Linux, macOS) can do this.

This is **not a sandbox**.  It bounds time, memory, files and processes; it does not forbid to read files or to use the network,
and on a machine where grading is not started by root, the code runs with the rights of whoever started it.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """Of one exercise of one student.

    Attributes:
        seconds: of processor time; three times as much may pass while it waits for nothing but itself, and ten seconds more.
        memory: MB that may be allocated beyond what the process begins with.
        written: MB that one file, or the printed output, may have.
    """

    seconds: float = 120
    memory: float = 1500
    written: float = 2

    @property
    def clock(self) -> float:
        """Seconds on the clock, time in which the machine did not let it run left out."""
        return 3 * self.seconds + 10


@dataclass(frozen=True)
class Stranger:
    """The user that runs submissions when root starts the grading: one that owns nothing and therefore can change nothing.

    Attributes:
        uid: its number, in use nowhere else.
        reads: whether it keeps root's right to read all files, which it needs where Python lies in a private folder.
    """

    uid: int
    reads: bool


def give_up(limits: Limits, stranger: Stranger | None) -> None:
    """Irrevocably limit this process: processor time, memory, size of files, no core dump, no new processes or threads; then its user."""
    seconds = int(limits.seconds) + 1
    for name, soft, hard in (
        ("RLIMIT_CPU", seconds, seconds + 2),
        ("RLIMIT_AS", *[_address_space() + int(limits.memory * 2**20)] * 2),
        ("RLIMIT_FSIZE", *[int(limits.written * 2**20)] * 2),
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_NOFILE", 256, 256),
    ):
        _limit(name, soft, hard)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing too much is an OSError
    if stranger is not None:
        _become(stranger)
    _limit("RLIMIT_NPROC", 1, 1)


def _limit(name: str, soft: int, hard: int) -> None:
    # A system may not know or not allow a limit; the supervisor measures memory and counts processes besides.
    with contextlib.suppress(AttributeError, ValueError, OSError):
        resource.setrlimit(getattr(resource, name), (soft, hard))


def _address_space() -> int:
    """Bytes that this process has mapped; where that is unknown, a generous guess."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 8 * 2**30


def _become(stranger: Stranger) -> None:
    libc = ctypes.CDLL(None)
    if stranger.reads:
        libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setgid(stranger.uid)
    os.setuid(stranger.uid)
    if stranger.reads:
        read_only = 1 << 2  # CAP_DAC_READ_SEARCH
        libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(read_only, read_only, 0, 0, 0, 0))


def stranger(root: Path) -> Stranger | None:
    """Who runs the submissions: None, the user who grades, unless that is root on Linux."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        return None
    uid = 60000 + os.getpid() % 5000
    if (pid := os.fork()) == 0:
        _become(Stranger(uid, False))
        places = (sys.prefix, os.path.dirname(os.__file__), root / "workbench" / "__init__.py", *filter(os.path.exists, sys.path))
        os._exit(0 if all(os.access(place, os.R_OK) for place in places) else 1)
    return Stranger(uid, reads=os.waitpid(pid, 0)[1] != 0)


def become_reaper() -> None:
    """Orphans left behind by a submission become our children, so that they can be found and ended (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
