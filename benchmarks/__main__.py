"""Run every benchmark of this folder, one after the other."""

import pkgutil
import subprocess
import sys
from pathlib import Path

HELPERS = {
    "__main__",
    "contest",
    "few_contests",
    "few_distances",
    "judging",
    "kept",
    "laws",
    "making",
    "peers",
    "record",
    "sampled_networks",
    "searched_entrants",
}
BY_NAME = {
    "bits_against_steps",
    "preconditioning",
    "quality",
    "searched_grids",
}  # a quarter of an hour each and more, and one needs the images

if __name__ == "__main__":
    names = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name not in HELPERS | BY_NAME)
    sys.exit(max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode for name in names))
