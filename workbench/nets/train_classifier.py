"""Train the classifier: ``python -m workbench.nets.train_classifier --data FOLDER --out FILE``.

Ten epochs on one core in float32: about 20 minutes.  The run is a function of its options: an interrupted one goes on from
``FILE``, which is replaced after every epoch, and ends at the same weights as one that was not interrupted.
"""

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench import data
from workbench.artifacts.command_line import integers
from workbench.data.cifar import Cifar10, to_floats
from workbench.nets.classifier import Classifier
from workbench.nets.training import checkpoint
from workbench.nets.training.batches import generator_of
from workbench.nets.training.crops import crops


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on, besides the images.

    The learning rate of step k of K rises linearly to ``rate`` over the first ``warmup`` of the steps, then falls linearly to 0.
    """

    epochs: int = 10
    batch: int = 500
    rate: float = 0.5
    momentum: float = 0.9
    decay: float = 5e-4
    smoothing: float = 0.1
    shift: int = 2
    warmup: float = 0.2
    seed: int = 0
    widths: tuple[int, ...] = (32, 96, 128)

    def __post_init__(self) -> None:
        positive = {"epochs": self.epochs, "batch": self.batch, "rate": self.rate, "warmup": self.warmup}
        for name, value in positive.items():
            if value <= 0:
                raise ValueError(f"{name} is {value}; it must be positive")
        if not (0 <= self.momentum < 1 and 0 <= self.smoothing < 1 and self.warmup < 1 and self.decay >= 0):
            raise ValueError(f"momentum, smoothing and warmup must be below 1 and nothing negative, got {self}")


def rate_at(settings: Settings, step: int, steps: int) -> float:
    """The learning rate of step 0..steps - 1: a triangle."""
    done = (step + 1) / (steps + 1)
    return settings.rate * min(done / settings.warmup, (1 - done) / (1 - settings.warmup))


def train(
    train_set: Cifar10, test_set: Cifar10, settings: Settings, out: Path | None = None, *, epochs: int | None = None
) -> tuple[Classifier, list[dict[str, float]]]:
    """Train, resuming from ``out`` if it is there; ``epochs`` stops early (the schedule is still that of ``settings``).

    Returns the classifier and the history: of each epoch the mean loss, the accuracy on the test set and the seconds.

    Raises:
        ValueError: for a batch larger than the training set, or a checkpoint of other settings.
        FloatingPointError: when the loss is not finite.
    """
    per_epoch = len(train_set) // settings.batch
    if not per_epoch:
        raise ValueError(f"a batch of {settings.batch} does not fit {len(train_set)} images; use a smaller batch")
    net = Classifier(settings.widths, len(train_set.classes), generator=generator_of(settings.seed, 0))
    net.whiten(train_set.images[:5000])
    net.patches.requires_grad_(False)
    loss_of = nn.CrossEntropyLoss(label_smoothing=settings.smoothing)
    optimizer = torch.optim.SGD(
        [p for p in net.parameters() if p.requires_grad],
        settings.rate,
        settings.momentum,
        weight_decay=settings.decay,
        nesterov=True,
    )
    history: list[dict[str, float]] = []
    if out is not None and out.exists():
        history = _restore(out, net, optimizer, settings)
    for epoch in range(len(history), settings.epochs if epochs is None else epochs):
        start, total = time.perf_counter(), 0.0
        order = torch.randperm(len(train_set), generator=generator_of(settings.seed, 1, epoch))
        net.train()
        for place in range(per_epoch):
            step = epoch * per_epoch + place
            for group in optimizer.param_groups:
                group["lr"] = rate_at(settings, step, settings.epochs * per_epoch)
            rows = order[place * settings.batch : (place + 1) * settings.batch]
            images = crops(train_set.images[rows], settings.shift, generator_of(settings.seed, 2, step))
            loss = loss_of(net(images), train_set.labels[rows])
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss.item()} at step {step}; a smaller rate than {settings.rate} may help")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() / per_epoch
        seconds = time.perf_counter() - start
        history.append({"loss": total, "accuracy": accuracy(net, test_set.images, test_set.labels), "seconds": seconds})
        print(f"epoch {epoch + 1}: " + ", ".join(f"{key} {value:.4g}" for key, value in history[-1].items()), flush=True)
        if out is not None:
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "history": history}
            checkpoint.save(out, state, asdict(settings))
    return net.eval().requires_grad_(False), history


@torch.no_grad()
def accuracy(net: Classifier, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """How often the largest logit is that of the label."""
    net.eval()
    guesses = [net(to_floats(part)).argmax(1) for part in images.split(batch)]
    return (torch.cat(guesses) == labels).double().mean().item()


def _restore(out: Path, net: nn.Module, optimizer: torch.optim.Optimizer, settings: Settings) -> list[dict[str, float]]:
    state, stored, _ = checkpoint.load(out)
    if differences := checkpoint.differences(stored, asdict(settings)):
        raise ValueError(f"{out} holds another run; give another --out. {'; '.join(differences)}")
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    return state["history"]


def main(argv: list[str] | None = None) -> None:
    """Parse the options and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with cifar-10-batches-bin or the archive (default: the cache folder)")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write, and to go on from")
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--widths", type=integers, default=Settings.widths, help="channels of the stages: 32,96,128")
    parser.add_argument("--rate", type=float, default=Settings.rate, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    options = parser.parse_args(argv)
    asked = {name: getattr(options, name) for name in ("epochs", "batch", "widths", "rate", "seed")}
    settings = Settings(**asked)
    train_set, test_set = (data.cifar10(split, options.data) for split in ("train", "test"))
    train(train_set, test_set, settings, options.out)


if __name__ == "__main__":
    main()
