"""A pytest plugin that meters each notebook: wall seconds, seconds of one core, peak memory of its kernel.

Loaded by ``execute.py`` with ``-p meter``.  A notebook over budget fails: ``BOOK_SECONDS`` of processor time (60; what
a run takes on one free core, whatever else the machine is doing) and ``BOOK_MEMORY_MB`` (700).  Seconds are those of the machine
on which the book recorded what its network costs: on a slower one the budget is longer by as much as that network is slower.
The readings of all workers are written as JSON to ``BOOK_READINGS``.
"""

import json
import os
import threading
import time
from functools import cache
from pathlib import Path

import psutil
import pytest
from nbmake.pytest_items import NotebookFile

SECONDS = float(os.environ.get("BOOK_SECONDS", "60"))
MEMORY_MB = float(os.environ.get("BOOK_MEMORY_MB", "700"))
READINGS: dict[str, dict] = {}


def _peak_mb(process: psutil.Process) -> float:
    """High-water mark of resident memory where the system keeps one, the present value elsewhere."""
    try:
        with open(f"/proc/{process.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return process.memory_info().rss / 2**20


@cache
def slowness() -> float:
    """How many times longer an evaluation of the book's network takes here than where its cost was recorded; 1 if it is no longer.

    Asked only for a chapter that is over budget, so a fast machine pays nothing for it.
    """
    import torch

    import workbench as wb

    torch.set_num_threads(1)
    costs = wb.artifacts.load("quality")["costs"]
    recorded = next(row["milliseconds"] for row in costs if row["name"] == "cifar10-denoiser")
    model, x, taken = wb.artifacts.load("cifar10-denoiser"), torch.zeros(10, 3, 32, 32), []
    with torch.no_grad():
        for _ in range(6):
            start = time.process_time()
            model.data(x, 2.0)
            taken.append(1000 * (time.process_time() - start) / len(x))
    return max(1.0, min(taken) / recorded)


def pytest_collect_file(file_path, parent):
    """nbmake passes over everything below a folder named ``_build``; our copies to execute are there."""
    return NotebookFile.from_parent(parent, path=file_path) if file_path.suffix == ".ipynb" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if item.path.suffix != ".ipynb":
        return (yield)
    memory, processor, done, me = {}, {}, threading.Event(), psutil.Process()

    def watch():
        while not done.wait(0.05):
            for child in me.children(recursive=True):
                try:
                    times = child.cpu_times()
                    processor[child.pid] = times.user + times.system
                    memory[child.pid] = max(memory.get(child.pid, 0.0), _peak_mb(child))
                except psutil.Error:  # it ended between the listing and the reading
                    continue

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    try:
        return (yield)
    finally:
        done.set()
        watcher.join()
        item.user_properties += [
            ("wall_seconds", round(time.perf_counter() - start, 1)),
            ("seconds", round(sum(processor.values()), 1)),
            ("peak_mb", round(max(memory.values(), default=0.0))),
        ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    reading = dict(item.user_properties)
    if call.when == "call" and report.passed and "seconds" in reading:
        seconds = SECONDS if reading["seconds"] <= SECONDS else SECONDS * slowness()
        over = [
            f"{reading[key]} {unit}, the budget is {limit:.3g} {unit}"
            for key, limit, unit in (("seconds", seconds, "s"), ("peak_mb", MEMORY_MB, "MB"))
            if reading[key] > limit
        ]
        if over:
            report.outcome, report.longrepr = "failed", f"{item.path.name}: {'; '.join(over)}"
    return report


def pytest_runtest_logreport(report):
    if report.when == "call" and report.user_properties:
        READINGS[report.nodeid.split("::")[0]] = {**dict(report.user_properties), "passed": report.passed}


def pytest_terminal_summary(terminalreporter):
    for name, r in sorted(READINGS.items()):
        state = "ok" if r["passed"] else "FAILED"
        terminalreporter.write_line(
            f"{r['seconds']:6.1f} s of one core  {r['wall_seconds']:6.1f} s wall  {r['peak_mb']:5d} MB  {state:6s} {name}"
        )


def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        Path(os.environ["BOOK_READINGS"]).write_text(json.dumps(READINGS), "utf8")
