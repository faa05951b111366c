"""How a benchmark measures, prints and writes: medians of repeated runs, a table, and JSON that says where it was measured."""

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch


def seconds(run: Callable[[], object], *, repeats: int = 7, least: float = 0.05) -> float:
    """Median seconds of one call over ``repeats`` rounds, each long enough to be timed (``least`` seconds)."""
    run()
    start = time.perf_counter()
    run()
    inner = max(1, round(least / max(time.perf_counter() - start, 1e-7)))
    rounds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(inner):
            run()
        rounds.append((time.perf_counter() - start) / inner)
    return statistics.median(rounds)


def table(rows: Sequence[dict]) -> str:
    """Rows with the same keys as aligned text."""
    cells = [list(rows[0])] + [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def hardware() -> dict:
    """What the numbers depend on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
    }


def commit() -> str:
    """The commit the numbers belong to, with + when files differ from it; "unknown" outside a repository."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def add_numbers(options: argparse.ArgumentParser, defaults: dict[str, int]) -> None:
    """An option --name for each whole number that a benchmark can be told."""
    for name, default in defaults.items():
        options.add_argument(f"--{name}", type=int, default=default)


def told(chosen: argparse.Namespace, defaults: dict[str, int]) -> str:
    """These options as words of a command line."""
    return " ".join(f"--{name} {getattr(chosen, name)}" for name in defaults)


def report(name: str, rows: Sequence[dict], path: str | None = None, *, seed: int | None = None) -> None:
    """Print the table; with a ``path`` also write the record: command, seed, commit, hardware, rows and their hash."""
    print(f"\n{name}\n{table(rows)}")
    record(name, {"rows": list(rows)}, path, seed=seed)


def record(name: str, facts: dict, path: str | None, *, seed: int | None = None) -> None:
    """Write the facts to ``path``, if there is one, with command, seed, commit, hardware and their hash."""
    if path is None:
        return
    where = {"name": name, "command": f"python -m benchmarks.{name}", "seed": seed, "commit": commit(), "hardware": hardware()}
    digest = hashlib.sha256(json.dumps(facts.get("rows", facts), sort_keys=True).encode()).hexdigest()
    Path(path).write_text(json.dumps({**where, **facts, "sha256": digest}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {path}", file=sys.stderr)


def publish_record(name: str, facts: dict, *, source: str, command: str, seed: int) -> None:
    """Ship the facts with the package, as artifact ``name``, so that chapters can show them as recorded."""
    from workbench.artifacts.manifest import FOLDER, publish

    content = json.dumps(facts, separators=(",", ":")).encode() + b"\n"
    measured = {"seed": seed, "hardware": hardware()}
    publish(name, content, FOLDER, file=f"{name}.json", kind="facts", source=source, command=command, measured=measured)
    print(f"published as {name}: {len(content):,} bytes", file=sys.stderr)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A command line with --json PATH."""
    out = argparse.ArgumentParser(description=description)
    out.add_argument("--json", metavar="PATH", help="also write the record there")
    return out
