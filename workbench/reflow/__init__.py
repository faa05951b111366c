"""Straighter paths: flow matching, rectified flow, and how to train it well (pillar 3)."""

from workbench.reflow.consistency import ConsistencyDistillation, ConsistencyFunction, distill_consistency
from workbench.reflow.couplings import Coupling, independent, minibatch_ot, paired
from workbench.reflow.distill import NoiseEnd, distill
from workbench.reflow.fit import fit
from workbench.reflow.fixed_noise import FixedNoise
from workbench.reflow.flow_of import flow_of
from workbench.reflow.pairs import StoredPairs, simulate_pairs
from workbench.reflow.perceptual import Perceptual, PerceptualHuber
from workbench.reflow.preconditioned import FlowPreconditioned
from workbench.reflow.premetrics import PseudoHuber, Squared, Weighted
from workbench.reflow.rectify import pairs_of, rectify, simulate
from workbench.reflow.straightness import straightness, transport_cost
from workbench.reflow.times import LogitNormal, Uniform, UShaped

__all__ = [
    "ConsistencyDistillation",
    "ConsistencyFunction",
    "Coupling",
    "FixedNoise",
    "FlowPreconditioned",
    "LogitNormal",
    "NoiseEnd",
    "Perceptual",
    "PerceptualHuber",
    "PseudoHuber",
    "Squared",
    "StoredPairs",
    "UShaped",
    "Uniform",
    "Weighted",
    "distill",
    "distill_consistency",
    "fit",
    "flow_of",
    "independent",
    "minibatch_ot",
    "paired",
    "pairs_of",
    "rectify",
    "simulate",
    "simulate_pairs",
    "straightness",
    "transport_cost",
]
