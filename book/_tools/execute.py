"""Execute every chapter exactly once, in parallel, and keep what came out for the book to render.

A chapter is copied to ``_build/runs/``, executed there by nbmake and stored with its outputs beside a record: seconds,
peak memory, versions, date, and a key.  The key hashes everything the outputs depend on: the notebook, the package with
its artifacts, Python and every installed distribution.  A chapter whose key is unchanged since its last successful run
is not run again; so ``make test`` followed by ``make book`` executes once, and an edit anywhere in ``workbench/``
re-executes all.  A chapter finds what ``environment.yml`` supplies and nothing else (``supplied.py``).  ``BOOK_ROOT`` names another book to run, which is how the tests of this tool use it.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path

import yaml

TOOLS = Path(__file__).resolve().parent
ROOT = Path(os.environ.get("BOOK_ROOT", TOOLS.parents[1]))
RUNS = ROOT / "_build" / "runs"
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def pages(root: Path = ROOT) -> list[str]:
    """Every page that the table of contents names, without suffix, in reading order."""

    def walk(node):
        if isinstance(node, dict):
            for key in ("root", "file"):
                if key in node:
                    yield node[key]
            for key in ("parts", "chapters", "sections"):
                for child in node.get(key, []):
                    yield from walk(child)

    return list(walk(yaml.safe_load((root / "_toc.yml").read_text("utf8"))))


def chapters(root: Path = ROOT) -> list[str]:
    """The pages that are notebooks, such as ``notebooks/foundations/exact_answers``."""
    return [page for page in pages(root) if (root / f"{page}.ipynb").is_file()]


def _environment_digest() -> str:
    """One hash for the package, its artifacts, the interpreter, what is installed, and the way chapters are run."""
    digest = hashlib.sha256(platform.python_version().encode())
    for name in sorted(f"{d.metadata['Name']}=={d.version}" for d in distributions()):
        digest.update(name.encode())
    tools = [TOOLS / f"{name}.py" for name in ("execute", "meter", "supplied")]
    for file in [*sorted(ROOT.glob("workbench/**/*")), *tools, TOOLS.parents[1] / "environment.yml"]:
        if file.is_file() and file.suffix in {".py", ".json", ".safetensors", ".yml"}:
            digest.update(os.path.relpath(file, ROOT).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def record_of(chapter: str) -> dict:
    """What is known of a chapter's last successful run; empty when there is none."""
    path = RUNS / f"{chapter}.json"
    return json.loads(path.read_text("utf8")) if path.is_file() else {}


def _run(stale: dict[str, str], jobs: int) -> int:
    """Execute the chapters of ``stale`` (chapter -> key) in place under ``_build/runs``; return pytest's exit status."""
    import supplied  # found beside this file when it is run; whoever imports it for ``chapters`` alone does without

    readings = RUNS / "readings.json"
    slowest_first = sorted(stale, key=lambda chapter: -record_of(chapter).get("seconds", 1e9))
    for chapter in stale:
        target = RUNS / f"{chapter}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / f"{chapter}.ipynb").read_bytes())
        (RUNS / f"{chapter}.json").unlink(missing_ok=True)
    readings.unlink(missing_ok=True)
    (RUNS / "pytest.ini").write_text("[pytest]\n")
    environment = {
        **os.environ,
        **dict.fromkeys(ONE_THREAD, "1"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(TOOLS), os.environ.get("PYTHONPATH")])),
        "BOOK_READINGS": str(readings),
        "WORKBENCH_STATIC": "1",
        **supplied.hide_the_rest(RUNS / ".ipython"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "meter", "-c", "pytest.ini", "--rootdir", ".", "--nbmake"]
    command += ["--overwrite", "--nbmake-timeout", "600", "-n", str(min(jobs, len(stale))), "--maxschedchunk", "1"]
    command += [f"{chapter}.ipynb" for chapter in slowest_first]
    status = subprocess.run(command, cwd=RUNS, env=environment).returncode
    taken = json.loads(readings.read_text("utf8")) if readings.is_file() else {}
    about = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
    }
    for chapter, key in stale.items():
        reading = taken.get(f"{chapter}.ipynb", {})
        if reading.pop("passed", False):
            (RUNS / f"{chapter}.json").write_text(json.dumps({"key": key, **reading, **about}, indent=1), "utf8")
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="chapters executed side by side")
    parser.add_argument("--force", action="store_true", help="execute even what is unchanged")
    options = parser.parse_args()
    every, environment, stale = chapters(), _environment_digest(), {}
    for chapter in every:
        source = (ROOT / f"{chapter}.ipynb").read_bytes()
        key = hashlib.sha256(environment.encode() + source).hexdigest()
        if options.force or record_of(chapter).get("key") != key:
            stale[chapter] = key
    print(f"{len(every)} chapters, {len(every) - len(stale)} unchanged since they last ran", flush=True)
    return _run(stale, options.jobs) if stale else 0


if __name__ == "__main__":
    sys.exit(main())
