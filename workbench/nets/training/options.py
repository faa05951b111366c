"""The part of a command line that all training commands share: files, settings, and how a run is carried out and told of."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.artifacts.command_line import integers
from workbench.nets.training import rates
from workbench.nets.training.refined import Refined
from workbench.nets.training.run import Job, Run
from workbench.nets.training.settings import PRECISIONS, Settings
from workbench.nets.training.trainer import NonFiniteLoss

SCHEDULES = {
    "constant": rates.Constant,
    "linear": rates.Linear,
    "cosine": rates.Cosine,
    "stable": rates.WarmupStableDecay,
    "rex": rates.REX,
}


def parser(program: str, description: str | None, data: str) -> argparse.ArgumentParser:
    """Options for files and settings, their defaults those of the dataclasses; ``data`` says what --data takes."""
    settings, run = defaults(Settings), defaults(Run)
    p = argparse.ArgumentParser(program, description=description, formatter_class=_Format)
    files = p.add_argument_group("files")
    files.add_argument("--out", type=Path, required=True, help="the folder of the run")
    files.add_argument("--data", help=data)
    files.add_argument("--resume", action="store_true", help="go on from RUN/checkpoint.pt, or start if there is none")
    files.add_argument("--save-every", type=int, default=run["save_every"], help="steps between checkpoints")
    files.add_argument("--report-every", type=int, default=run["report_every"], help="steps between validations and samples")
    files.add_argument("--snapshots", type=integers, default=run["snapshots"], help="steps at which the average is kept: 500,1000")
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


def defaults(kind: type) -> dict[str, Any]:
    """The default of each field of a dataclass."""
    return {field.name: field.default for field in dataclasses.fields(kind)}


def carry_out(o: argparse.Namespace, prepare: Callable[[Settings, Run], Job]) -> None:
    """Check everything that can be checked, then train; whatever stands in the way ends the process with one line."""
    try:
        names = ("steps", "batch", "rate", "betas", "weight_decay", "halflife", "ramp", "seed", "precision")
        settings = Settings(**{name: getattr(o, name) for name in names}, clip=o.clip or None, schedule=schedule_of(o))
        job = prepare(settings, Run(o.out, o.data, o.resume, o.save_every, o.report_every, o.snapshots, o.cpu))
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


def words(p: argparse.ArgumentParser, stored: dict[str, Any]) -> str:
    """The options that start a run with these settings, as a checkpoint stores them: only what is not a default."""
    names = {kind.__name__: name for name, kind in SCHEDULES.items()}
    rate = stored["schedule"]
    asked = stored | {"schedule": names.get(rate["name"], "refined"), "warmup": rate.get("warmup"), "tail": rate.get("tail")}
    asked |= {"no_flips": not stored["flips"], "clip": stored["clip"] or 0, "data": None}
    found = []
    for action in p._actions:
        value = asked.get(action.dest)
        if value is not None and _plain(value) != _plain(action.default):
            found += [action.option_strings[0]] if value is True else [action.option_strings[0], _plain(value)]
    return " ".join(found)


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


class _Format(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keep the lines of the description, and say the defaults."""
