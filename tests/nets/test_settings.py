"""Bad settings are refused before any work, each with what was got and what is needed."""

import math

import pytest

from workbench.nets.train import parser
from workbench.nets.training.experiment import Experiment
from workbench.nets.training.options import schedule_of
from workbench.nets.training.rates import Constant
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


def test_the_defaults_are_those_of_the_shipped_denoiser():
    """Change one, and `python -m workbench.nets.train --out RUN --steps N` trains another network than the artifact."""
    settings, what = Settings(1), Experiment()
    assert (settings.batch, settings.rate, settings.schedule, settings.betas) == (32, 1e-3, Constant(warmup=200), (0.9, 0.99))
    assert (settings.weight_decay, settings.clip, settings.halflife, settings.ramp, settings.seed) == (0.0, 1.0, 20_000, 0.1, 0)
    assert (what.model, what.network, what.widths, what.blocks, what.rank) == ("gaussian", "unet", (64, 128, 192), 2, 1280)
    assert (what.mean, what.std, what.drop, what.flips) == (-0.7, 1.1, 0.15, True)
    typed = parser().parse_args(["--out", "RUN", "--steps", "1"])
    assert (
        Settings(1, **{name: getattr(typed, name) for name in ("batch", "rate", "betas", "clip", "halflife", "ramp", "seed")})
        == settings
    )
    assert schedule_of(typed) == settings.schedule
    assert (
        Experiment(*(getattr(typed, name) for name in ("model", "network", "widths", "blocks", "width", "depth", "rank"))) == what
    )
    assert (typed.mean, typed.std, typed.drop, typed.no_flips) == (what.mean, what.std, what.drop, False)
