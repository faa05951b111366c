"""Processes that work together on this machine, started and watched by the test itself: no launcher between them and us."""

import os
import signal
import socket
import subprocess
import sys
import time

PATIENCE = 240.0  # seconds for all of it; a run of tiny_training takes ten, or sixty on a busy machine
LEAVING = 30.0  # seconds for the others to end after one has failed
LAST_WORDS = 5.0  # seconds to print a traceback


def together(command, count, folder, environment, *, patience=PATIENCE, leaving=LEAVING):
    """Run ``python *command`` in ``count`` processes that find each other, and return what each has printed.

    AssertionError with all that was printed when one fails or does not end in time; then none is left running.  Who has to be
    stopped gets SIGABRT first: Python's fault handler then prints what each of its threads was doing.
    """
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    shared |= {"GLOO_SOCKET_IFNAME": _loopback(), "PYTHONFAULTHANDLER": 1}
    paths, processes = [folder / f"printed-{rank}.txt" for rank in range(count)], []
    try:
        for rank, path in enumerate(paths):
            added = shared | {"RANK": rank, "LOCAL_RANK": rank} | environment
            with path.open("wb") as file:
                env = os.environ | {name: str(value) for name, value in added.items()}
                processes.append(subprocess.Popen([sys.executable, *command], env=env, stdout=file, stderr=subprocess.STDOUT))
        late = _late(processes, patience, leaving)
    finally:
        for process in processes:
            process.kill()  # nothing, for one that has ended
            process.wait()
    printed = [path.read_text("utf-8", "replace") for path in paths]
    codes = [process.returncode for process in processes]
    everything = "\n".join(f"--- process {rank}, exit {codes[rank]}\n{printed[rank]}" for rank in range(count))
    assert not late, (
        f"did not end: {late} of {count} processes, after {patience:g} s or {leaving:g} s after a failure\n{everything}"
    )
    assert not any(codes), everything
    return printed


def _late(processes, patience, leaving):
    """The ranks that had to be stopped: those still there when time was up, which is soon after one of them has failed."""
    end = time.monotonic() + patience
    failed = False
    while any(process.poll() is None for process in processes):
        if not failed and any(process.returncode for process in processes):
            failed, end = True, min(end, time.monotonic() + leaving)
        if time.monotonic() > end:
            break
        time.sleep(0.05)
    late = [rank for rank, process in enumerate(processes) if process.poll() is None]
    for rank in late:
        processes[rank].send_signal(signal.SIGABRT)
    for rank in late:
        try:
            processes[rank].wait(LAST_WORDS)
        except subprocess.TimeoutExpired:
            continue  # too stuck to speak; the caller kills it
    return late


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _loopback():
    """The name of the interface of 127.0.0.1: lo, or lo0."""
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
