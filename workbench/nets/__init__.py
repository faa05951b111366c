"""Networks small enough for one CPU, and how they are trained: each network is a function of its seed."""

from workbench.nets.classifier import Classifier
from workbench.nets.dit import DiT
from workbench.nets.fit import fit
from workbench.nets.held_out import denoising_errors
from workbench.nets.mlp import MLP
from workbench.nets.training import rates
from workbench.nets.training.flow_matching import FlowMatching, UniformTimes
from workbench.nets.training.levels import LogNormal
from workbench.nets.training.objective import Denoising
from workbench.nets.unet import UNet

__all__ = [
    "MLP",
    "Classifier",
    "Denoising",
    "DiT",
    "FlowMatching",
    "LogNormal",
    "UNet",
    "UniformTimes",
    "denoising_errors",
    "fit",
    "rates",
]
