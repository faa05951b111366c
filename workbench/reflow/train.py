"""Rectify a flow of pictures: python -m workbench.reflow.train --out RUN --data PAIRS

PAIRS is a folder of ``python -m workbench.reflow.make_pairs``: noise and where a teacher's flow carried it.  The network learns the
velocity of the straight lines between them (``liu2023rectified``), in units of what the best affine flow of the pairs leaves over, at
U-shaped times (``lee2024rfpp``).  It starts from a trained denoiser, whose answer is turned around.

Everything else is as in ``python -m workbench.nets.train``: the files of a run, resuming after any interruption with the very same
result, learning-rate schedules, several processes.  Losses in validation.jsonl are relative to the affine flow's, and the sheets of
samples show one, two and four evaluations beside the pairs' own ends.
"""

import argparse
from typing import Any

from workbench.artifacts.command_line import integers
from workbench.nets.training import options as shared
from workbench.nets.training.run import prepare
from workbench.reflow.experiment import PREMETRICS, FlowExperiment, read


def parser() -> argparse.ArgumentParser:
    """The command line; its defaults are those of the dataclasses."""
    thing = shared.defaults(FlowExperiment)
    p = shared.parser("python -m workbench.reflow.train", __doc__, "folder with pairs")
    what = p.add_argument_group("what is trained")
    what.add_argument("--start", default=thing["start"], help='artifact whose network starts it; "" draws a new U-Net')
    what.add_argument("--widths", type=integers, default=thing["widths"], help="channels of a new U-Net's levels")
    what.add_argument("--blocks", type=int, default=thing["blocks"], help="residual blocks of a level of a new U-Net")
    what.add_argument("--rank", type=int, default=thing["rank"], help="of the affine flow")
    what.add_argument("--a", type=float, default=thing["a"], help="of the U-shaped density of times; 0 is uniform")
    what.add_argument("--premetric", choices=PREMETRICS, default=thing["premetric"])
    what.add_argument("--drop", type=float, default=thing["drop"], help="share of labels replaced by no class")
    what.add_argument("--no-flips", action="store_true", help="do not flip pairs left to right")
    return p


def main(argv: list[str] | None = None) -> None:
    """Check everything that can be checked, then train."""
    o = parser().parse_args(argv)

    def ready(settings, run):
        names = ("start", "widths", "blocks", "rank", "a", "premetric", "drop")
        what = FlowExperiment(**{name: getattr(o, name) for name in names}, flips=not o.no_flips)
        return prepare(what, settings, run, read)

    shared.carry_out(o, ready)


def options(stored: dict[str, Any]) -> str:
    """The options that start a run with these settings, as a checkpoint stores them: only what is not a default."""
    return shared.words(parser(), stored)


if __name__ == "__main__":
    main()
