"""Run every benchmark of this folder, one after the other."""

import pkgutil
import subprocess
import sys
from pathlib import Path

HELPERS = {"__main__", "judging", "kept", "laws", "peers", "record"}
BY_NAME = {"preconditioning", "quality"}  # the first needs the images and trains, the second takes three quarters of an hour

if __name__ == "__main__":
    names = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name not in HELPERS | BY_NAME)
    sys.exit(max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode for name in names))
