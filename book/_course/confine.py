"""What a process gives up before it runs a stranger's code.  Only systems with POSIX limits (Linux, macOS) can do this.

This is **not a sandbox**.  It bounds time, memory, files and processes; it does not forbid to read files or to use the network,
and on a machine where grading is not started by root, the code runs with the rights of whoever started it.
"""

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
        seconds: of processor time; three times as much may pass on the clock, and ten seconds more.
        memory: MB that may be allocated beyond what the process begins with.
        written: MB that one file, or the printed output, may have.
    """

    seconds: float = 60
    memory: float = 1500
    written: float = 2

    @property
    def clock(self) -> float:
        return 3 * self.seconds + 10


def give_up(limits: Limits, uid: int | None) -> None:
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
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    _limit("RLIMIT_NPROC", 1, 1)


def _limit(name: str, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(getattr(resource, name), (soft, hard))
    except (AttributeError, ValueError, OSError):
        pass  # this system does not know or not allow it; the supervisor measures memory and counts processes besides


def _address_space() -> int:
    """Bytes that this process has mapped; where that is unknown, a generous guess."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 8 * 2**30


def stranger(root: Path) -> int | None:
    """The user to become: when started by root, one that owns nothing, if that user can read Python and ``root``; else None."""
    if os.geteuid() != 0:
        return None
    uid = 60000 + os.getpid() % 5000
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        places = (sys.prefix, os.path.dirname(os.__file__), root / "workbench" / "__init__.py", *filter(os.path.isdir, sys.path))
        os._exit(0 if all(os.access(place, os.R_OK) for place in places) else 1)
    return uid if os.waitpid(pid, 0)[1] == 0 else None


def become_reaper() -> None:
    """Orphans left behind by a submission become our children, so that they can be found and ended (Linux)."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    except (OSError, AttributeError):
        pass
