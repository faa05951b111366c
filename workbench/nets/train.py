"""Train a network on pictures: python -m workbench.nets.train --out RUN

The network, its optimizer and an average of its weights are kept in RUN/checkpoint.pt, replaced as a whole every --save-every steps.
After an interruption of any kind, kill -9 and power cuts included, the same command with --resume goes on and ends with the very
weights it would have ended with (on the same machine, with as many threads and the same versions).  Beside it::

  steps.jsonl        loss, gradient norms and learning rate of every step
  validation.jsonl   error on held-out pictures at eight noise levels, beside that of the Gaussian law
  curves.png         both as curves
  samples-*.png      samples of the averaged network (Heun, 18 steps), the same noise every time
  average.safetensors, average-STEP.safetensors
                     the averaged weights in 16 bits, at the end and at the steps of --snapshots

A run is made longer by --resume with more --steps, and may be given another --schedule, as long as every step that has been done
would have been the same: always with a constant rate, and with "stable" until its decay begins.  So a constant run cools down by::

  python -m workbench.nets.train --out RUN --resume --steps 60000 --schedule stable --tail 0.2

Several GPUs: accelerate launch --multi_gpu --num_processes 4 -m workbench.nets.train --out RUN (needs the extra [train]); several
processes on CPUs: torchrun --nproc_per_node 2 -m workbench.nets.train --cpu --out RUN.  The batch is shared out among them, and the
run is that of one process, up to the order of sums.
"""

import argparse
from typing import Any

from workbench.artifacts.command_line import integers
from workbench.nets.training import experiment
from workbench.nets.training import options as shared
from workbench.nets.training.experiment import Experiment
from workbench.nets.training.run import prepare


def parser() -> argparse.ArgumentParser:
    """The command line; its defaults are those of the dataclasses."""
    thing = shared.defaults(Experiment)
    data = "folder with CIFAR-10 (downloaded when missing), or a .safetensors file of uint8 images"
    p = shared.parser("python -m workbench.nets.train", __doc__, data)
    what = p.add_argument_group("what is trained")
    what.add_argument("--model", choices=experiment.MODELS, default=thing["model"], help="the formula around the network")
    what.add_argument("--network", choices=experiment.NETWORKS, default=thing["network"])
    what.add_argument("--widths", type=integers, default=thing["widths"], help="channels of the U-Net's levels: 64,128,192")
    what.add_argument("--blocks", type=int, default=thing["blocks"], help="residual blocks of a level of the U-Net")
    what.add_argument("--width", type=int, default=thing["width"], help="features of the transformer")
    what.add_argument("--depth", type=int, default=thing["depth"], help="blocks of the transformer")
    what.add_argument("--rank", type=int, default=thing["rank"], help="of the Gaussian law")
    what.add_argument("--mean", type=float, default=thing["mean"], help="mean of log(sigma) while training")
    what.add_argument("--std", type=float, default=thing["std"], help="its standard deviation")
    what.add_argument("--drop", type=float, default=thing["drop"], help="share of labels replaced by no class")
    what.add_argument("--no-flips", action="store_true", help="do not flip pictures left to right")
    return p


def main(argv: list[str] | None = None) -> None:
    """Check everything that can be checked, then train."""
    o = parser().parse_args(argv)

    def ready(settings, run):
        names = ("model", "network", "widths", "blocks", "width", "depth", "rank", "mean", "std", "drop")
        return prepare(Experiment(**{name: getattr(o, name) for name in names}, flips=not o.no_flips), settings, run)

    shared.carry_out(o, ready)


def options(stored: dict[str, Any]) -> str:
    """The options that start a run with these settings, as a checkpoint stores them: only what is not a default."""
    return shared.words(parser(), stored)


if __name__ == "__main__":
    main()
