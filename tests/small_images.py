"""Small images with a steep spectrum, and the command line of a builder started in this process."""

import runpy
import sys

import numpy as np
import torch


def pixels(n=60, shape=(3, 4, 4), seed=0):
    """Correlated uint8 images, so that the spectrum falls steeply."""
    rng = np.random.default_rng(seed)
    smooth = rng.normal(size=(n, 6)) @ rng.normal(size=(6, int(np.prod(shape)))) * 20
    noisy = 128 + smooth + rng.normal(size=(n, int(np.prod(shape)))) * 2
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8).reshape(n, *shape))


def start(builder, monkeypatch, *arguments):
    """``python -m`` the builder, in this process."""
    name = builder.__name__
    monkeypatch.setattr("sys.argv", [name, *arguments])
    monkeypatch.delitem(sys.modules, name)
    runpy.run_module(name, run_name="__main__")
