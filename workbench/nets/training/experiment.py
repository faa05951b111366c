"""What is trained: which network, in which formula, on which objective, from the pictures it is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from workbench.denoiser import Denoiser
from workbench.nets.dit import DiT
from workbench.nets.training.flow_matching import FlowMatching
from workbench.nets.training.levels import LogNormal
from workbench.nets.training.objective import Denoising, Objective
from workbench.nets.training.pictures import Pictures
from workbench.nets.training.report import Report
from workbench.nets.unet import UNet

NETWORKS, MODELS = ("unet", "dit"), ("gaussian", "edm", "flow")


@dataclass(frozen=True)
class Experiment:
    """A network inside a formula, and its objective.

    Args:
        model: "gaussian", a denoiser that adds to the Gaussian law of the pictures (``GaussianPreconditioned``); "edm", a denoiser
            with EDM's preconditioning (``EDMDenoiser``); "flow", the velocity of straight lines (``FlowMatching``).
        network: "unet" or "dit".
        widths, blocks: of the U-Net.
        width, depth: of the transformer.
        rank: of the Gaussian law.
        mean, std: of log(sigma) while training a denoiser.
        drop: the share of labels replaced by no class.
        flips: whether pictures are flipped left to right.

    Raises:
        ValueError: for a model or network that is not one of these, or numbers out of range.
    """

    model: str = "gaussian"
    network: str = "unet"
    widths: tuple[int, ...] = (64, 128, 192)
    blocks: int = 2
    width: int = 128
    depth: int = 6
    rank: int = 1280
    mean: float = -0.7
    std: float = 1.1
    drop: float = 0.15
    flips: bool = True

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"model={self.model!r}; it is one of {', '.join(MODELS)}")
        if self.network not in NETWORKS:
            raise ValueError(f"network={self.network!r}; it is one of {', '.join(NETWORKS)}")
        if self.rank < 1:
            raise ValueError(f"rank={self.rank}; the Gaussian law needs at least one direction")
        if not 0 <= self.drop <= 1:
            raise ValueError(f"drop={self.drop}; it is a share of the labels and needs to be in [0, 1]")
        self.objective()  # refuses a bad mean or std
        self._network(3, 6, 32, 10, torch.Generator())  # refuses sizes that do not fit, before any data are read

    def objective(self, model: Denoiser | None = None) -> Objective:
        """The loss, the same for every model."""
        return FlowMatching() if self.model == "flow" else Denoising(LogNormal(self.mean, self.std))

    def build(self, pictures: Pictures, seed: int, device: torch.device) -> Denoiser:
        """The untrained model, its network drawn from ``seed``."""
        from workbench.gaussian import GaussianPreconditioned
        from workbench.network import NetworkDenoiser
        from workbench.preconditioned import EDMDenoiser
        from workbench.schedules import Rectified

        channels, side = pictures.images.shape[1:3]
        inputs = 2 * channels if self.model == "gaussian" else channels
        net = self._network(channels, inputs, side, pictures.classes, torch.Generator().manual_seed(seed)).to(device)
        if self.model == "gaussian":
            return GaussianPreconditioned(net, pictures.law(self.rank))
        if self.model == "edm":
            return EDMDenoiser(net)
        return NetworkDenoiser(net, Rectified(), "velocity")

    def _network(self, channels: int, inputs: int, side: int, classes: int | None, generator: torch.Generator) -> nn.Module:
        if self.network == "dit":
            return DiT(channels, inputs, width=self.width, depth=self.depth, classes=classes, side=side, generator=generator)
        return UNet(channels, inputs, self.widths, self.blocks, classes=classes, side=side, generator=generator)

    def report(self, folder: Path, pictures: Pictures, model: Denoiser, start: int) -> Report:
        """Errors on held-out pictures beside the Gaussian law's, and samples."""
        return Report(folder, pictures, self.rank, start)

    def tensors(self, model: Denoiser) -> dict[str, Any]:
        """None: the package has the Gaussian law."""
        return {}

    def about(self, pictures: Pictures) -> dict[str, Any]:
        """What has to be known, besides the network, to use it again: the header of the weights as stored."""
        if self.model == "gaussian":
            kind = "gaussian" if pictures.name == "cifar10" else f"gaussian law of {pictures.name}"
            return {"preconditioning": kind, "rank": self.rank, "shows_base": True}
        return {"preconditioning": self.model, "sigma_data": 0.5} if self.model == "edm" else {"preconditioning": self.model}
