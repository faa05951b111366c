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

    def __init__(self, cpu: bool = False) -> None:
        """Train on CUDA if there is any, unless ``cpu``."""
        self.count, self.rank = 1, 0
        self.device = torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")

    @property
    def main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

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

    def wait(self) -> None:
        """Return when all processes have come here."""

    def close(self) -> None:
        """Leave the group."""


class Accelerated(Alone):
    """One of the processes that ``accelerate launch`` or ``torchrun`` started."""

    def __init__(self, cpu: bool = False) -> None:
        """Join the others, on the device that accelerate chooses.

        Raises:
            ImportError: without the package accelerate.
            ValueError: where accelerate sees another number of processes than were launched.
        """
        if importlib.util.find_spec("accelerate") is None:
            raise ImportError(
                "several processes were launched (WORLD_SIZE > 1), and they need the package accelerate: "
                "pip install 'few-steps-few-bits[train]'"
            )
        from accelerate import Accelerator

        self.accelerator = Accelerator(mixed_precision="no", cpu=cpu or not torch.cuda.is_available())
        self.count, self.rank = self.accelerator.num_processes, self.accelerator.process_index
        self.device = self.accelerator.device
        if self.count != _launched():
            raise ValueError(
                f"{_launched()} processes were launched, accelerate sees {self.count}; launch by accelerate or torchrun"
            )

    def shared(self, net: nn.Module) -> Callable[..., Tensor]:
        """The network in accelerate's data-parallel wrapper."""
        return self.accelerator.prepare_model(net)

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all processes, in the order of the batch."""
        return self.accelerator.gather(rows.contiguous())

    def wait(self) -> None:
        """Return when all processes have come here."""
        self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the group together, so that the launcher sees an orderly end: nobody is left waiting for one who has gone."""
        self.wait()
        self.accelerator.end_training()


def launched(cpu: bool = False) -> Alone:
    """This process alone, or its place among those that a launcher started."""
    return Accelerated(cpu) if _launched() > 1 else Alone(cpu)


def _launched() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))
