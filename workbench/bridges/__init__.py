"""Bridges: diffusions that are told where they will end, from a degraded picture to a clean one.

With the end point known, a bridge is an ordinary diffusion seen from a moving origin; so every solver of the book works on it.
"""

from workbench.bridges.bridge import Bridge
from workbench.bridges.dbim import DBIM
from workbench.bridges.displaced import Displaced
from workbench.bridges.gaussian_pairs import GaussianPairs
from workbench.bridges.learned import BridgeMatching, WithEnd, fit
from workbench.bridges.mixture_pairs import MixturePairs, PairedMixture
from workbench.bridges.pairs import Pairs
from workbench.bridges.pinned import Pinned
from workbench.bridges.projected_pairs import ProjectedPairs
from workbench.bridges.resshift import ResShift, ResShiftStep
from workbench.bridges.translate import between, encode, translate

__all__ = [
    "DBIM",
    "Bridge",
    "BridgeMatching",
    "Displaced",
    "GaussianPairs",
    "MixturePairs",
    "PairedMixture",
    "Pairs",
    "Pinned",
    "ProjectedPairs",
    "ResShift",
    "ResShiftStep",
    "WithEnd",
    "between",
    "encode",
    "fit",
    "translate",
]
