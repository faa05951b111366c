"""Pairs on the disk: where a teacher's flow ends from known noise.  The ends are stored, the noise is drawn again from its seed.

A million pairs of CIFAR-10's size are 3 GB as bytes and 12 GB more if their noise were stored too; a seed is eight bytes.  Pair i is
made from ``noise_of(shape, seed, i)``, a generator of its own, so a pair does not depend on how many there are, on the blocks they are
made in, or on how many processes share the work.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from workbench.atomic import write
from workbench.data.cifar import to_bytes, to_floats
from workbench.nets.training.batches import generator_of
from workbench.nets.training.processes import Alone

ABOUT = "pairs.json"
Teacher = Callable[[Tensor, Tensor | None], Tensor]


def noise_of(shape: Sequence[int], seed: int, row: int) -> Float[Tensor, "*shape"]:
    """The standard normal noise of pair ``row``: the same for every number of pairs and of processes."""
    return torch.randn(tuple(shape), generator=generator_of(seed, 2, row))


def simulate_pairs(
    teacher: Teacher,
    folder: Path,
    number: int,
    *,
    shape: Sequence[int],
    seed: int = 0,
    classes: int | None = None,
    block: int = 100,
    about: dict[str, Any] | None = None,
    processes: Alone | None = None,
    progress: bool = False,
) -> "StoredPairs":
    """Write ``number`` pairs to ``folder``, block by block, and return them.

    An interrupted run goes on where it was: a block is a file that is there as a whole or not at all.  With several processes each
    makes every ``count``-th block.  Pictures, (3, h, w) or (1, h, w), are stored as bytes like the data they imitate
    (an error of at most 1/255 in [-1, 1]); anything else as float32.

    Args:
        teacher: takes noise (n, \\*shape) of N(0, I) and labels (n,) or None, and returns the ends of its flow.
        folder: made when missing; several runs into one folder must agree in everything but ``number``.
        number: of pairs.
        shape: of a sample.
        seed: of the noise.
        classes: pair i has label i modulo this number; None asks for none.
        block: pairs a file.
        about: what should be remembered of the teacher; compared on resuming.
        processes: who shares the work; this process alone by default.
        progress: whether to show a progress bar.

    Raises:
        ValueError: for numbers below 1, a folder with pairs of other settings, or ends that are not finite or have another shape.
    """
    for name, value in {"number": number, "block": block, "classes": 1 if classes is None else classes}.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r}; it needs to be a whole number, 1 or more")
    processes = processes or Alone(cpu=True)
    settings = {"shape": list(shape), "seed": seed, "classes": classes, "block": block, "about": about or {}}
    settings = json.loads(json.dumps(settings))  # as it will be read again: a tuple is a list then
    folder.mkdir(parents=True, exist_ok=True)
    _agree(folder / ABOUT, settings, processes.rank)
    starts = range(0, number, block)[processes.rank :: processes.count]
    for start in _shown(starts, progress and processes.main):
        rows = range(start, min(start + block, number))
        path = folder / _name(start // block)
        if not path.exists() or _length(path) < len(rows):
            _make(teacher, path, rows, settings)
    processes.wait()
    return StoredPairs.open(folder, number)


def _make(teacher: Teacher, path: Path, rows: range, settings: dict[str, Any]) -> None:
    from safetensors.torch import save

    noise = torch.stack([noise_of(settings["shape"], settings["seed"], row) for row in rows])
    labels = None if settings["classes"] is None else torch.tensor(rows) % settings["classes"]
    with torch.no_grad():
        ends = teacher(noise, labels)
    if ends.shape != noise.shape or not bool(ends.isfinite().all()):
        raise ValueError(
            f"the teacher's ends of pairs {rows.start} to {rows.stop - 1} have shape {tuple(ends.shape)} and "
            f"{int((~ends.isfinite()).sum())} entries that are not finite; it must return finite samples of shape {tuple(noise.shape)}"
        )
    write(path, save({"ends": to_bytes(ends) if _pictures(settings["shape"]) else ends.float().contiguous()}))


@dataclass(frozen=True, eq=False)
class StoredPairs:
    """Pairs as :func:`simulate_pairs` left them; the ends are in memory as stored, the noise is drawn when asked for.

    Attributes:
        ends: (n, \\*shape), uint8 pixels or float32.
        labels: (n,) int64, or None.
        seed: of the noise.
        about: what was remembered of the teacher.
    """

    ends: Tensor
    labels: Int64[Tensor, "n"] | None
    seed: int
    about: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, number: int | None = None) -> "StoredPairs":
        """Read the first ``number`` pairs of a folder (all without a gap by default).

        Raises:
            FileNotFoundError: for a folder that holds no pairs.
            ValueError: for one that holds fewer than ``number``.
        """
        from safetensors.torch import load_file

        path = folder / ABOUT
        if not path.is_file():
            raise FileNotFoundError(f"{folder} holds no pairs; make some with wb.reflow.simulate_pairs")
        settings = json.loads(path.read_text("utf-8"))
        parts: list[Tensor] = []
        while (file := folder / _name(len(parts))).is_file():
            parts.append(load_file(file)["ends"])
            if len(parts[-1]) < settings["block"]:
                break
        have = sum(map(len, parts))
        if not have or (number is not None and have < number):
            raise ValueError(
                f"{folder} holds {have} pairs without a gap and {number or 1} are needed; run simulate_pairs to the end"
            )
        ends = torch.cat(parts)[:number]
        classes = settings["classes"]
        labels = None if classes is None else torch.arange(len(ends)) % classes
        return cls(ends, labels, settings["seed"], settings["about"])

    def __len__(self) -> int:
        return len(self.ends)

    def data(self, rows: Int64[Tensor, "batch"]) -> Float[Tensor, "batch *shape"]:
        """The ends of these pairs, pictures in [-1, 1]."""
        chosen = self.ends[rows]
        return to_floats(chosen) if chosen.dtype == torch.uint8 else chosen

    def noise(self, rows: Int64[Tensor, "batch"]) -> Float[Tensor, "batch *shape"]:
        """The noise of these pairs, drawn again."""
        return torch.stack([noise_of(self.ends.shape[1:], self.seed, row) for row in rows.tolist()])


def _agree(path: Path, settings: dict[str, Any], rank: int) -> None:
    if not path.exists():  # every process of a run writes the same, under a name of its own until it is whole
        own = path.with_name(f"pairs-{rank}.json")
        write(own, json.dumps(settings, indent=1).encode())
        own.replace(path)
    known = json.loads(path.read_text("utf-8"))
    wrong = [
        f"{key}: it has {known.get(key)!r}, you ask for {value!r}" for key, value in settings.items() if known.get(key) != value
    ]
    if wrong:
        raise ValueError(f"{path.parent} holds pairs made otherwise ({'; '.join(wrong)}); ask for the same, or take another folder")


def _name(block: int) -> str:
    return f"pairs-{block:06d}.safetensors"


def _length(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.get_slice("ends").get_shape()[0]


def _pictures(shape: Sequence[int]) -> bool:
    return len(shape) == 3 and shape[0] in (1, 3)


def _shown(starts: range, progress: bool):
    if not progress:
        return starts
    from tqdm.auto import tqdm

    return tqdm(starts, unit="block")
