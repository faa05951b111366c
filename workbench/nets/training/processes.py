"""Who does the work of a step: one process, or several that each take a slice of the batch and add up their gradients.

Every process draws all of a step's random numbers and keeps its own slice, so the draws do not depend on how many there are.
"""

import importlib.util
import os
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Alone:
    """One process, which takes the whole batch."""

    count, rank = 1, 0

    @property
    def main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def device(self) -> torch.device:
        """Where to train: CUDA if there is any, else the CPU."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def share(self, batch: int) -> slice:
        """This process's rows of a batch.

        Raises:
            ValueError: for a batch that cannot be divided evenly.
        """
        if batch % self.count:
            raise ValueError(
                f"batch={batch} cannot be divided evenly among {self.count} processes; take a multiple of {self.count}, "
                "so that the mean of their gradients is the gradient of the mean"
            )
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def shared(self, net: nn.Module) -> Callable[..., Tensor]:
        """The network to call while training: gradients of its parameters come out averaged over processes."""
        return net

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes, in the order of the batch."""
        return rows


class Accelerated(Alone):
    """One of the processes that ``accelerate launch`` or ``torchrun`` started."""

    def __init__(self) -> None:
        if importlib.util.find_spec("accelerate") is None:
            raise ImportError(
                "several processes were launched (WORLD_SIZE > 1), and they need the package accelerate: "
                "pip install 'few-steps-few-bits[train]'"
            )
        from accelerate import Accelerator

        self.accelerator = Accelerator(mixed_precision="no")
        self.count, self.rank = self.accelerator.num_processes, self.accelerator.process_index

    def device(self) -> torch.device:
        """The device that accelerate chose for this process."""
        return self.accelerator.device

    def shared(self, net: nn.Module) -> Callable[..., Tensor]:
        """The network in accelerate's data-parallel wrapper."""
        return self.accelerator.prepare_model(net)

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes, in the order of the batch."""
        return self.accelerator.gather(rows.contiguous())


def launched() -> Alone:
    """This process alone, or its place among those that a launcher started."""
    return Accelerated() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else Alone()
