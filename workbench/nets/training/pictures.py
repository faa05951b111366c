"""The pictures a run trains on and is examined with: CIFAR-10, or a file of one's own."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from workbench import data
from workbench.data.cifar import to_floats
from workbench.gaussian import GaussianDenoiser
from workbench.nets.training.batches import Partners
from workbench.schedules import VE

HELD_OUT = 256


@dataclass(frozen=True, eq=False)
class Pictures:
    """What to train on, what is held out, and the Gaussian law of the former.

    Attributes:
        images, labels: (n, channels, side, side) uint8, and (n,) int64 or None.
        held_out, held_labels: the same, never trained on.
        classes: number of classes, or None without labels.
        name: "cifar10", or the name of the file.
        partners: gives each picture its noise, or None.
    """

    images: UInt8[Tensor, "n channels side side"]
    labels: Int64[Tensor, "n"] | None
    held_out: UInt8[Tensor, "m channels side side"]
    held_labels: Int64[Tensor, "m"] | None
    classes: int | None
    name: str
    partners: Partners | None = None

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return self.images.shape[-1]

    def law(self, rank: int) -> GaussianDenoiser:
        """The Gaussian with their mean and their ``rank`` leading directions of covariance, on VE: for CIFAR-10 the stored one."""
        if self.name == "cifar10":
            from workbench.characters import cifar10

            return cifar10(VE(), rank)
        count = len(self.images)
        return GaussianDenoiser.fit(to_floats(self.images), VE(), rank=min(rank, count - 1, self.images[0].numel()))


def read(place: str | os.PathLike[str] | None, held_out: int = HELD_OUT) -> Pictures:
    """Read CIFAR-10 from a folder (see ``wb.data.cifar10``), or the tensors ``images`` and perhaps ``labels`` from a .safetensors file.

    CIFAR-10's first ``held_out`` test images are held out; of a file, the last ``held_out`` images, at most a fifth.

    Raises:
        ValueError: for a file that does not hold such tensors.
        FileNotFoundError: for a file that is not there.
    """
    if place is None or Path(place).suffix != ".safetensors":
        train, test = (data.cifar10(split, place) for split in ("train", "test"))
        return Pictures(train.images, train.labels, test.images[:held_out], test.labels[:held_out], len(train.classes), "cifar10")
    from safetensors.torch import load_file

    path = Path(place)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; give a folder with CIFAR-10 or a .safetensors file with uint8 images")
    tensors = load_file(path)
    images, labels = tensors.get("images"), tensors.get("labels")
    if images is None or images.ndim != 4 or images.dtype != torch.uint8 or images.shape[2] != images.shape[3] or len(images) < 10:
        found = {name: (str(value.dtype), tuple(value.shape)) for name, value in tensors.items()}
        raise ValueError(f"{path} holds {found}; it needs 'images', uint8 of shape (n, channels, side, side) with n >= 10")
    if labels is not None and (labels.dtype != torch.int64 or labels.shape != (len(images),) or int(labels.min()) < 0):
        raise ValueError(
            f"labels in {path} are {labels.dtype} of shape {tuple(labels.shape)}; they need to be int64, one an image, >= 0"
        )
    held = min(held_out, len(images) // 5)
    split = [None, None] if labels is None else [labels[:-held], labels[-held:]]
    classes = None if labels is None else int(labels.max()) + 1
    return Pictures(images[:-held], split[0], images[-held:], split[1], classes, path.name)
