"""Run every benchmark of this folder, one after the other."""

import pkgutil
import subprocess
import sys
from pathlib import Path

HELPERS = {"__main__", "laws", "peers", "record"}
BY_NAME = {"preconditioning"}  # needs the images, and trains for minutes

if __name__ == "__main__":
    names = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name not in HELPERS | BY_NAME)
    sys.exit(max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode for name in names))
