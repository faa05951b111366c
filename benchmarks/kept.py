"""Rows of a long measurement, each on the disk as soon as it is known: an interruption loses at most the row it interrupts."""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from workbench.atomic import write

Row = tuple[dict[str, Any], dict[str, Tensor]]
"""Facts, and the tensors they were read off."""


class Kept:
    """A folder with one file for each row.  A later run takes what is there and measures only the rest.

    A row is found again by everything that determines it, its key; so a key names hashes of networks rather than their names.

    Args:
        folder: made when it is missing.
        common: part of the key of every row.
    """

    def __init__(self, folder: Path, **common: Any) -> None:
        self.folder, self.common = folder, common
        folder.mkdir(parents=True, exist_ok=True)

    def row(self, key: dict[str, Any], make: Callable[[], Row]) -> Row:
        """The row of this key: read, or made and kept."""
        text = json.dumps(self.common | key, sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.safetensors"
        if not path.exists():
            begun = time.perf_counter()
            facts, tensors = make()
            write(
                path, save({name: value.contiguous() for name, value in tensors.items()}, {"key": text, "facts": json.dumps(facts)})
            )
            if (spent := time.perf_counter() - begun) >= 1:
                print(f"{spent:5.0f} s: {text}", file=sys.stderr, flush=True)
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["facts"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
