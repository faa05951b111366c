"""A training in one call that survives its interruption: the checkpoint of a fit, and what it must agree with to be gone on with."""

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.nets.training import checkpoint
from workbench.nets.training.trainer import Step, Trainer


def check_path(path: Path, save_every: int) -> None:
    """Raise ValueError unless a checkpoint can be kept at ``path`` every so many steps."""
    if not isinstance(save_every, int) or save_every < 1:
        raise ValueError(f"save_every={save_every!r}; it is a number of steps and needs to be at least 1")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; checkpoint= names a file, such as {path / 'fit.pt'}")
    if path.suffix == ".safetensors":
        raise ValueError(
            f"{path} would be read as weights alone; a checkpoint holds more, so name it {path.with_suffix('.pt').name}"
        )


def kept(trainer: Trainer, path: Path, save_every: int) -> Iterator[Step]:
    """The steps of ``trainer`` that the checkpoint at ``path``, if there is one, has not done; it is replaced as they are done.

    Raises:
        CheckpointError: for a checkpoint of another run.
    """
    described = describe(trainer)
    if path.exists():
        state, stored, _ = checkpoint.load(path)
        wrong = checkpoint.differences(stored, described)
        if wrong:
            raise checkpoint.CheckpointError(
                f"{path} is of another run: {'; '.join(wrong)}. Ask for the same, or take another file"
            )
        trainer.restore(state)
    return _steps(trainer, path, save_every, described)


def _steps(trainer: Trainer, path: Path, save_every: int, described: dict[str, Any]) -> Iterator[Step]:
    path.parent.mkdir(parents=True, exist_ok=True)
    for step in trainer.run():
        if step.number % save_every == 0 or step.number == trainer.settings.steps:
            checkpoint.save(path, trainer.state(), described)
        yield step


def describe(trainer: Trainer) -> dict[str, Any]:
    """What the steps of a trainer that has done none depend on: settings, objective, and digests of data, first batch and weights."""
    settings, first = trainer.settings, trainer.batches.at(0)
    flat = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    rate = settings.schedule
    labels = trainer.batches.labels
    return (
        flat
        | _other_optimizer(trainer)
        | {
            "schedule": {"name": type(rate).__name__, **dataclasses.asdict(rate)},
            "model": type(trainer.model).__name__,
            "objective": re.sub(r" at 0x[0-9a-f]+", "", repr(trainer.objective)),
            "data": digest(trainer.batches.images, *(() if labels is None else (labels,))),
            "first batch": digest(*(part for part in first[:3] if part is not None)),
            "weights": digest(*trainer.net.state_dict().values()),
        }
    )


def _other_optimizer(trainer: Trainer) -> dict[str, str]:
    """What the optimizer is, where it is not that of ``torch.optim`` which a run has by default."""
    if type(trainer.optimizer) is torch.optim.AdamW:
        return {}
    groups = [{k: v for k, v in group.items() if k != "params"} for group in trainer.optimizer.state_dict()["param_groups"]]
    return {"optimizer": f"{type(trainer.optimizer).__module__}.{type(trainer.optimizer).__name__} {groups}"}


def digest(*tensors: Tensor) -> str:
    """The start of the sha256 of shapes, types and values."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]
