"""Run a function in a process of its own, watch it from outside, and end it with everything it started."""

import contextlib
import itertools
import json
import os
import secrets
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from book._course.confine import Limits, Stranger, give_up

LARGEST_VERDICT = 2**20


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        verdict: what the function returned, or None.
        reason: empty after an orderly end, else "time", "memory", "processes", "ended" (it ended itself) or "forged".
        output: the end of what it printed.
        seconds: of processor time.
    """

    verdict: dict | None
    reason: str
    output: str
    seconds: float


def watch(work: Callable[[], dict], limits: Limits, stranger: Stranger | None = None) -> Ending:
    """Fork, confine, run ``work``, and return what it returned; it has a folder of its own that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="answer-"))
    token, (reader, writer) = secrets.token_hex(16), os.pipe()
    with tempfile.TemporaryFile() as log:
        pid = os.fork()
        if pid == 0:
            _child(work, limits, stranger, folder, log.fileno(), reader, writer, token)
        os.close(writer)
        try:
            data, reason, status, used = _supervise(pid, reader, limits)
        finally:
            os.close(reader)
            end_all(pid)
            shutil.rmtree(folder, ignore_errors=True)
        log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
        output = log.read().decode("utf8", "replace")
    if reason == "" and os.WIFSIGNALED(status):
        stopped = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) and used >= limits.seconds
        reason = "time" if stopped else "ended"
    verdict, reason = _read(data, token, reason)
    return Ending(verdict, reason, output, used)


def _child(work, limits, stranger, folder, log, reader, writer, token) -> None:
    """Never returns."""
    with contextlib.suppress(BaseException):
        os.close(reader)
        os.setsid()
        os.chdir(folder)
        if stranger is not None:
            os.chown(folder, stranger.uid, stranger.uid)
        null = os.open(os.devnull, os.O_RDONLY)
        for fd, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(fd, target)
        os.environ.update(HOME=str(folder), TMPDIR=str(folder), USER="student")
        give_up(limits, stranger)
        message = json.dumps({"token": token, "verdict": work()}).encode()
        while message:
            message = message[os.write(writer, message) :]
    os._exit(0)


def _supervise(pid: int, reader: int, limits: Limits) -> tuple[bytes, str, int, float]:
    """Read what it sends until it ends or exceeds a limit: (data, reason, exit status, processor seconds)."""
    data, started = b"", time.monotonic()
    process, begin = psutil.Process(pid), 0.0
    for turn in itertools.count():
        if select.select([reader], [], [], 0.05)[0]:
            data += (chunk := os.read(reader, 65536))
            if not chunk:
                time.sleep(0.02)
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            while select.select([reader], [], [], 0)[0] and (chunk := os.read(reader, 65536)) and len(data) <= LARGEST_VERDICT:
                data += chunk
            return data, "", status, usage.ru_utime + usage.ru_stime
        resident = _resident(process)
        begin = begin or resident
        if len(data) > LARGEST_VERDICT:
            reason = "forged"
        elif time.monotonic() - started - _queued(pid) > limits.clock:
            reason = "time"
        elif resident > begin + limits.memory:
            reason = "memory"
        else:
            reason = "processes" if turn % 4 == 0 and _children(process) else ""
        if reason:
            end_all(pid)
            _, status, usage = os.wait4(pid, 0)
            return data, reason, status, usage.ru_utime + usage.ru_stime


def _resident(process: psutil.Process) -> float:
    """MB in memory; 0 for a process that has just ended."""
    try:
        return process.memory_info().rss / 2**20
    except psutil.Error:
        return 0.0


def _children(process: psutil.Process) -> bool:
    try:
        return bool(process.children())
    except psutil.Error:
        return False


def _queued(pid: int) -> float:
    """Seconds in which the process could have run but the machine was busy with others (Linux; elsewhere 0)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def end_all(pid: int) -> None:
    """End the process group of ``pid`` and every descendant of ours that is left, until there is none."""
    for _ in range(100):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        left = [child for child in psutil.Process().children(recursive=True) if child.pid != pid]
        for child in left:
            with contextlib.suppress(psutil.Error):
                child.kill()
        with contextlib.suppress(ChildProcessError):
            for child in left:
                os.waitpid(child.pid, os.WNOHANG)
        if not [c for c in psutil.Process().children(recursive=True) if c.pid != pid]:
            return
        time.sleep(0.02)


def _read(data: bytes, token: str, reason: str) -> tuple[dict | None, str]:
    """The verdict, if it bears the token of this run."""
    if reason:
        return None, reason
    if not data:
        return None, "ended"
    try:
        message = json.loads(data)
        if message["token"] == token and isinstance(message["verdict"], dict):
            return message["verdict"], ""
    except (ValueError, TypeError, KeyError):
        pass
    return None, "forged"
