"""Bad settings are refused before any work, each with what was got and what is needed."""

import math

import pytest

from workbench.nets.training.experiment import Experiment
from workbench.nets.training.run import Run
from workbench.nets.training.settings import Settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps=0; it needs to be a whole number, 1 or more"),
        ({"batch": -3}, "batch=-3"),
        ({"seed": -1}, "seed=-1"),
        ({"rate": 0.0}, "rate=0.0; it needs to be positive"),
        ({"rate": math.nan}, "rate=nan"),
        ({"rate": math.inf}, "rate=inf"),
        ({"halflife": 0.0}, "halflife"),
        ({"ramp": -1.0}, "ramp"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"clip": 0.0}, "clip=0.0; it needs to be positive, or None"),
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"precision": "float16"}, "float32, bfloat16"),
    ],
)
def test_numbers(change, words):
    with pytest.raises(ValueError, match=words):
        Settings(**({"steps": 10} | change))


def test_a_number_is_no_schedule():
    with pytest.raises(TypeError):
        Settings(10, schedule=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "ddpm"}, "gaussian, edm, flow"),
        ({"network": "vit"}, "unet, dit"),
        ({"rank": 0}, "rank=0"),
        ({"drop": 1.5}, "drop=1.5"),
        ({"std": 0.0}, "std > 0"),
        ({"widths": (20,)}, "multiple of 16"),
        ({"network": "dit", "width": 30}, "must be a multiple"),
    ],
)
def test_what_is_trained(change, words):
    with pytest.raises(ValueError, match=words):
        Experiment(**change)


def test_intervals(tmp_path):
    with pytest.raises(ValueError, match="save_every=0"):
        Run(tmp_path, save_every=0)
