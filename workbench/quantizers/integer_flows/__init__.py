"""Flows of whole numbers: one-to-one maps that make data cheap to write down, and a lossless codec from them.

Couplings add rounded translations, so nothing is lost and no determinant appears.  Their networks can be trained, thinned out by gates,
and computed in whole numbers only, so that bytes written on one machine can be read on any other.  The pipeline is in
:mod:`~workbench.quantizers.integer_flows.pipeline`.
"""

from workbench.quantizers.integer_flows import ans, pipeline
from workbench.quantizers.integer_flows.codec import Codec
from workbench.quantizers.integer_flows.coupling import Coupling
from workbench.quantizers.integer_flows.fit import fit
from workbench.quantizers.integer_flows.flow import IntegerFlow, Level, alternating, lifting, shuffled
from workbench.quantizers.integer_flows.frequencies import Tables, tables
from workbench.quantizers.integer_flows.gates import Gates
from workbench.quantizers.integer_flows.linear_start import linear_start
from workbench.quantizers.integer_flows.pipeline import (
    filters,
    gated,
    rounded_activations,
    rounded_weights,
    whole,
    without_closed,
)
from workbench.quantizers.integer_flows.prior import LogisticMixture, log_bin
from workbench.quantizers.integer_flows.squeeze import squeeze, unsqueeze
from workbench.quantizers.integer_flows.through import round_through
from workbench.quantizers.integer_flows.translator import Translator
from workbench.quantizers.integer_flows.whole import WholeConvolution, WholeTranslator
from workbench.quantizers.integer_flows.yardsticks import halved, yardsticks

__all__ = [
    "Codec",
    "Coupling",
    "Gates",
    "IntegerFlow",
    "Level",
    "LogisticMixture",
    "Tables",
    "Translator",
    "WholeConvolution",
    "WholeTranslator",
    "alternating",
    "ans",
    "filters",
    "fit",
    "gated",
    "halved",
    "lifting",
    "linear_start",
    "log_bin",
    "pipeline",
    "round_through",
    "rounded_activations",
    "rounded_weights",
    "shuffled",
    "squeeze",
    "tables",
    "unsqueeze",
    "whole",
    "without_closed",
    "yardsticks",
]
