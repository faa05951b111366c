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
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from workbench.artifacts.command_line import integers
from workbench.nets.training import experiment, rates
from workbench.nets.training.experiment import Experiment
from workbench.nets.training.refined import Refined
from workbench.nets.training.run import Run, prepare
from workbench.nets.training.settings import PRECISIONS, Settings
from workbench.nets.training.trainer import NonFiniteLoss

SCHEDULES = {
    "constant": rates.Constant,
    "linear": rates.Linear,
    "cosine": rates.Cosine,
    "stable": rates.WarmupStableDecay,
    "rex": rates.REX,
}


def parser() -> argparse.ArgumentParser:
    """The command line; its defaults are those of the dataclasses."""
    settings = {field.name: field.default for field in dataclasses.fields(Settings)}
    thing = {field.name: field.default for field in dataclasses.fields(Experiment)}
    run = {field.name: field.default for field in dataclasses.fields(Run)}
    p = argparse.ArgumentParser("python -m workbench.nets.train", description=__doc__, formatter_class=_Format)
    files = p.add_argument_group("files")
    files.add_argument("--out", type=Path, required=True, help="the folder of the run")
    files.add_argument("--data", help="folder with CIFAR-10 (downloaded when missing), or a .safetensors file of uint8 images")
    files.add_argument("--resume", action="store_true", help="go on from RUN/checkpoint.pt, or start if there is none")
    files.add_argument("--save-every", type=int, default=run["save_every"], help="steps between checkpoints")
    files.add_argument("--report-every", type=int, default=run["report_every"], help="steps between validations and samples")
    files.add_argument("--snapshots", type=integers, default=run["snapshots"], help="steps at which the average is kept: 500,1000")
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
    how = p.add_argument_group("how")
    how.add_argument("--steps", type=int, required=True, help="steps in all")
    how.add_argument("--batch", type=int, default=settings["batch"], help="samples a step, over all processes")
    how.add_argument("--rate", type=float, default=settings["rate"], help="the largest learning rate")
    how.add_argument("--schedule", choices=[*SCHEDULES, "refined"], default="constant", help="of the learning rate")
    how.add_argument("--warmup", type=int, default=200, help="steps over which the rate grows")
    how.add_argument("--tail", type=float, default=0.2, help="share of the run in which --schedule stable decays")
    how.add_argument("--norms", type=Path, help="steps.jsonl of a finished run, for --schedule refined")
    how.add_argument("--betas", type=_floats, default=settings["betas"], help="of AdamW: 0.9,0.99")
    how.add_argument("--weight-decay", type=float, default=settings["weight_decay"])
    how.add_argument("--clip", type=float, default=settings["clip"], help="largest norm of a gradient; 0 clips nothing")
    how.add_argument("--halflife", type=float, default=settings["halflife"], help="of the average of the weights, in images")
    how.add_argument("--ramp", type=float, default=settings["ramp"], help="at most this share of the images seen so far")
    how.add_argument("--seed", type=int, default=settings["seed"])
    how.add_argument("--precision", choices=PRECISIONS, default=settings["precision"], help="bfloat16 pays on CUDA devices only")
    how.add_argument("--cpu", action="store_true", help="train on the CPU even where there is a GPU")
    return p


def main(argv: list[str] | None = None) -> None:
    """Check everything that can be checked, then train."""
    p = parser()
    o = p.parse_args(argv)
    try:
        names = ("steps", "batch", "rate", "betas", "weight_decay", "halflife", "ramp", "seed", "precision")
        settings = Settings(**{name: getattr(o, name) for name in names}, clip=o.clip or None, schedule=schedule_of(o))
        names = ("model", "network", "widths", "blocks", "width", "depth", "rank", "mean", "std", "drop")
        what = Experiment(**{name: getattr(o, name) for name in names}, flips=not o.no_flips)
        run = Run(o.out, o.data, o.resume, o.save_every, o.report_every, o.snapshots, o.cpu)
        job = prepare(what, settings, run)
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    try:
        job.go()
    except (NonFiniteLoss, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"stopped; the same command with --resume goes on from {o.out}/checkpoint.pt")


def schedule_of(o: argparse.Namespace) -> rates.Rate:
    """The learning-rate schedule that the options ask for."""
    if (o.norms is None) == (o.schedule == "refined"):
        raise ValueError("--schedule refined and --norms RUN/steps.jsonl belong together; give both or neither")
    if o.schedule == "refined":
        lines = o.norms.read_text("utf-8").splitlines()
        return Refined.from_norms((json.loads(line)["norm1"] for line in lines), warmup=o.warmup)
    more = {"tail": o.tail} if o.schedule == "stable" else {}
    return SCHEDULES[o.schedule](o.warmup, **more)


def options(stored: dict[str, Any]) -> str:
    """The options that start a run with these settings, as a checkpoint stores them: only what is not a default."""
    names = {kind.__name__: name for name, kind in SCHEDULES.items()}
    rate = stored["schedule"]
    asked = stored | {"schedule": names.get(rate["name"], "refined"), "warmup": rate.get("warmup"), "tail": rate.get("tail")}
    asked |= {"no_flips": not stored["flips"], "clip": stored["clip"] or 0, "data": None}
    words = []
    for action in parser()._actions:
        value = asked.get(action.dest)
        if value is not None and _plain(value) != _plain(action.default):
            words += [action.option_strings[0]] if value is True else [action.option_strings[0], _plain(value)]
    return " ".join(words)


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


class _Format(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keep the lines of the description, and say the defaults."""


if __name__ == "__main__":
    main()
