"""What the command of reflow trains: a network that learns only what the affine flow of stored pairs leaves over."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench import artifacts, characters
from workbench.denoiser import Denoiser
from workbench.gaussian import Covariance, GaussianCoupling, GaussianDenoiser, GaussianPreconditioned
from workbench.nets import UNet
from workbench.nets.training.flow_matching import FlowMatching, Squared
from workbench.nets.training.objective import Objective
from workbench.nets.training.pictures import HELD_OUT, Pictures
from workbench.nets.training.trainer import network_of
from workbench.reflow.couplings import paired
from workbench.reflow.pairs import StoredPairs
from workbench.reflow.preconditioned import FlowPreconditioned
from workbench.reflow.premetrics import PseudoHuber, Weighted
from workbench.reflow.report import FlowReport
from workbench.reflow.times import UShaped
from workbench.schedules import VE

PREMETRICS = {"squared": Squared, "huber": PseudoHuber}
KNOWN_BY = 20_000  # pairs that mean, variances and correlations are estimated from


@dataclass(frozen=True)
class FlowExperiment:
    """A U-Net around the affine velocity of its pairs (:class:`FlowPreconditioned`), and its objective.

    Args:
        start: the artifact whose network starts it, a denoiser that learned what a Gaussian leaves over; "" draws a new U-Net.
        widths, blocks: of a new U-Net.
        rank: of the affine flow: how many eigenvectors have a variance and a correlation of their own.
        a: of the U-shaped density of times; 0 is uniform.
        premetric: "squared" or "huber".
        drop: the share of labels replaced by no class.
        flips: whether pairs are flipped left to right, noise and picture together.

    Raises:
        ValueError: for an artifact that holds no such network, an unknown premetric, or numbers out of range.
    """

    start: str = "cifar10-denoiser"
    widths: tuple[int, ...] = (64, 128, 192)
    blocks: int = 2
    rank: int = 1280
    a: float = 4.0
    premetric: str = "squared"
    drop: float = 0.0
    flips: bool = True

    def __post_init__(self) -> None:
        if self.premetric not in PREMETRICS:
            raise ValueError(f"premetric={self.premetric!r}; it is one of {', '.join(PREMETRICS)}")
        if self.rank < 1 or not 0 <= self.drop <= 1:
            raise ValueError(f"rank={self.rank}, drop={self.drop}; a rank of at least 1 and a share in [0, 1] are needed")
        UShaped(self.a)  # refuses a bad a
        self._network(3, 32, 10, torch.Generator())  # refuses sizes that do not fit, before any data are read

    def build(self, pictures: Pictures, seed: int, device: torch.device) -> FlowPreconditioned:
        """The model before training: the affine flow of the pairs, and a network that answers 0 or what it knew as a denoiser."""
        channels, side = pictures.images.shape[1:3]
        net = self._network(channels, side, pictures.classes, torch.Generator().manual_seed(seed)).to(device)
        pairs: StoredPairs = pictures.partners.partners
        rows = torch.arange(min(len(pictures.images), KNOWN_BY))
        x0 = pairs.data(rows)
        law = GaussianCoupling.fit(x0, pairs.noise(rows), basis(x0, self.rank))
        return FlowPreconditioned(net, law)

    def objective(self, model: FlowPreconditioned) -> Objective:
        """The premetric, in units of what the affine flow leaves over, at U-shaped times."""
        return FlowMatching(UShaped(self.a), Weighted(PREMETRICS[self.premetric](), model.weight))

    def report(self, folder: Path, pictures: Pictures, model: Denoiser, start: int) -> FlowReport:
        """Losses on held-out pairs beside those of the affine flow, and samples of few steps."""
        return FlowReport(folder, pictures, model.law, start)

    def tensors(self, model: FlowPreconditioned) -> dict[str, Tensor]:
        """Mean, variances and correlations of the pairs."""
        law = model.law
        return {"mean": law.mean, "variances": law.covariance.spectrum, "correlation": law.correlation}

    def about(self, pictures: Pictures) -> dict[str, Any]:
        """The header of the weights as stored."""
        kind = "coupling" if is_cifar10(pictures.images) else f"coupling of {pictures.name}"
        return {"preconditioning": kind, "rank": self.rank}

    def _network(self, channels: int, side: int, classes: int | None, generator: torch.Generator) -> nn.Module:
        if not self.start:
            return UNet(channels, 2 * channels, self.widths, self.blocks, classes=classes, side=side, generator=generator)
        known = artifacts.load(self.start)
        if not isinstance(known, GaussianPreconditioned) or not known.shows_base:
            raise ValueError(
                f"{self.start} is {type(known).__name__}; a denoiser is needed that learned what a Gaussian leaves over and was shown "
                "its guess: cifar10-denoiser, or one that python -m workbench.nets.train made with --model gaussian"
            )
        return turned(network_of(known)).requires_grad_(True)


def turned(net: nn.Module) -> nn.Module:
    """The network with its output negated, in place: at rest, what a denoiser adds to x_0 a flow takes from z - x_0.

    For independent noise  velocity = (x - data) / t  makes the denoiser's F and the flow's F equal up to the sign.
    """
    last = [part for part in net.modules() if getattr(part, "starts_at_zero", False)][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.neg_()
    return net


def basis(x0: Tensor, rank: int) -> Covariance:
    """Eigenvectors along which pairs are described: those of CIFAR-10's stored moments for its pictures, else those of the data."""
    if is_cifar10(x0):
        return characters.cifar10(VE(), rank).covariance
    return GaussianDenoiser.fit(x0, VE(), rank=min(rank, len(x0) - 1, x0[0].numel())).covariance


def is_cifar10(images: Tensor) -> bool:
    """Whether images have the shape of those whose moments are stored."""
    return images.shape[1:] == characters.cifar10(VE()).shape


def read(place: str | None) -> Pictures:
    """The pairs of a folder, the last of them (256, at most a fifth) held out.

    Raises:
        FileNotFoundError, ValueError: for a folder without pairs, or with fewer than ten, or pairs of what is no picture.
    """
    if place is None:
        raise ValueError("--data needs a folder with pairs; make some with python -m workbench.reflow.make_pairs")
    pairs = StoredPairs.open(Path(place))
    if len(pairs) < 10 or pairs.ends.dtype != torch.uint8:
        raise ValueError(f"{place} holds {len(pairs)} pairs of {pairs.ends.dtype}; ten pairs of pictures or more are needed")
    held = min(HELD_OUT, len(pairs) // 5)
    labels = pairs.labels
    split = (None, None) if labels is None else (labels[:-held], labels[-held:])
    classes = None if labels is None else int(labels.max()) + 1
    return Pictures(pairs.ends[:-held], split[0], pairs.ends[-held:], split[1], classes, Path(place).name, paired(pairs))
