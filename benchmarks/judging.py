"""The judge of pictures: our own classifier, its features, and their statistics over the training images.

What it returns is a Frechet distance on the features of our classifier, never to be called FID.
"""

from argparse import ArgumentParser
from dataclasses import dataclass

import torch
from torch import Tensor

import workbench as wb
from workbench.metrics import FeatureStatistics
from workbench.nets import Classifier


@dataclass(frozen=True, eq=False)
class Judge:
    """A classifier, and the statistics of its features that pictures are compared with."""

    classifier: Classifier
    reference: FeatureStatistics

    @classmethod
    def shipped(cls) -> "Judge | None":
        """The book's own, against the training images; None where it is not at hand."""
        if not {"cifar10-classifier", "cifar10-features"} <= set(wb.artifacts.available()):
            return None
        return cls(wb.artifacts.load("cifar10-classifier"), wb.artifacts.load("cifar10-features")["train"])

    @classmethod
    def required(cls, options: ArgumentParser, pictures: int) -> "Judge":
        """The book's own; a command that cannot go on without it, or with so few pictures, ends by saying so."""
        judge = cls.shipped()
        if judge is None or not judge.enough(pictures):
            options.error("needs cifar10-classifier and cifar10-features, and at least twice as many pictures as features")
        return judge

    def enough(self, pictures: int) -> bool:
        """Whether so many pictures give a distance that the first-order correction can mend: twice the number of features."""
        return pictures >= 2 * len(self.reference.mean)

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """The features of pictures, cut to the range of pixels."""
        return torch.cat([self.classifier.features(part) for part in pictures.clamp(-1, 1).split(100)])

    def distance(self, features: Tensor) -> dict[str, float]:
        """The corrected Frechet distance with its standard error, the plain one, and the one extrapolated from subsets."""
        found = wb.metrics.frechet_estimate(features, self.reference)
        line = wb.metrics.extrapolated_frechet(features, self.reference, generator=torch.Generator().manual_seed(0))
        return {
            "frechet": found.value,
            "frechet_standard_error": found.standard_error,
            "plain": found.plain,
            "extrapolated": line.value,
        }

    @torch.no_grad()
    def accuracy(self, features: Tensor, labels: Tensor) -> dict[str, float]:
        """The share of pictures that the classifier takes for the class asked for, with its standard error."""
        right = (self.classifier.head(features).argmax(1) == labels).double()
        return {"accuracy": float(right.mean()), "accuracy_standard_error": float(right.std() / len(right) ** 0.5)}


def squares(pictures: Tensor, ends: Tensor) -> Tensor:
    """The mean square of each picture's difference to where it should be, in units of the variance of ``ends``; float64."""
    contrast = (ends - ends.mean()).square().mean().sqrt()
    return (pictures - ends).div(contrast).double().square().flatten(1).mean(1)


def root(squares: Tensor) -> dict[str, float]:
    """The root of the mean of squares as "error", with its standard error."""
    error = float(squares.mean().sqrt())
    return {"error": error, "error_standard_error": float(squares.std()) / len(squares) ** 0.5 / (2 * max(error, 1e-12))}
