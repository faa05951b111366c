"""Few bits: number formats, rounding, and networks whose weights are stored in them (pillar 4).

``choose -> quantize -> dequantize`` are pure functions; ``Affine(...)`` and ``Codebook(...)`` are their compositions.
"""

from workbench.quantizers import (
    allocation,
    blocks,
    clipping,
    integer_flows,
    integers,
    noise,
    number_formats,
    optimizers,
    packing,
    rounding,
    saved_tensors,
    scales,
    training,
    uniform,
)
from workbench.quantizers.activations import Ranges
from workbench.quantizers.affine import Affine
from workbench.quantizers.allocating import (
    BitBudget,
    BlockBudget,
    LayerBank,
    additive,
    each_alone,
    endpoint_damage,
    residual_blocks,
    velocity_damage,
    without_blocks,
)
from workbench.quantizers.bits_and_steps import Choice, ErrorLaw, LawFit, fit_law, rounding_share
from workbench.quantizers.calibration import calibrate
from workbench.quantizers.cayley import cayley_step, learned_rotation
from workbench.quantizers.codebook import Codebook, mxfp4, nf4, nvfp4
from workbench.quantizers.correction import Corrected, corrected
from workbench.quantizers.dithering import RoundedAnswers, dither_covariance
from workbench.quantizers.doubled import Doubled
from workbench.quantizers.factored import Factored
from workbench.quantizers.formats import FORMATS, Format
from workbench.quantizers.hadamard import hadamard
from workbench.quantizers.layers import QuantizedLayer
from workbench.quantizers.learned_rounding import LearnedRounding, learn_rounding, learned_roundings
from workbench.quantizers.learned_step import LearnedStep
from workbench.quantizers.linearized import Linearized, endpoint_shift, gronwall
from workbench.quantizers.low_rank import low_rank, refined_low_rank
from workbench.quantizers.model import layers_of, nbytes, quantized
from workbench.quantizers.noise import sqnr
from workbench.quantizers.optimizers import SGD, AdamW
from workbench.quantizers.outliers import branched, rotated, smoothed
from workbench.quantizers.quantizer import Quantized, Quantizer
from workbench.quantizers.rank_one import RankOne
from workbench.quantizers.saved_tensors import Memory, Saved, SmallMemory, compressed
from workbench.quantizers.scales import E4M3, Float, PowerOfTwo
from workbench.quantizers.score_error import ErrorByTime, error_of_layers, score_error
from workbench.quantizers.split import Split
from workbench.quantizers.straight_through import straight_through
from workbench.quantizers.uniform import Steps, choose, dequantize, quantize

__all__ = [
    "E4M3",
    "FORMATS",
    "SGD",
    "AdamW",
    "Affine",
    "BitBudget",
    "BlockBudget",
    "Choice",
    "Codebook",
    "Corrected",
    "Doubled",
    "ErrorByTime",
    "ErrorLaw",
    "Factored",
    "Float",
    "Format",
    "LawFit",
    "LayerBank",
    "LearnedRounding",
    "LearnedStep",
    "Linearized",
    "Memory",
    "PowerOfTwo",
    "Quantized",
    "QuantizedLayer",
    "Quantizer",
    "Ranges",
    "RankOne",
    "RoundedAnswers",
    "Saved",
    "SmallMemory",
    "Split",
    "Steps",
    "additive",
    "allocation",
    "blocks",
    "branched",
    "calibrate",
    "cayley_step",
    "choose",
    "clipping",
    "compressed",
    "corrected",
    "dequantize",
    "dither_covariance",
    "each_alone",
    "endpoint_damage",
    "endpoint_shift",
    "error_of_layers",
    "fit_law",
    "gronwall",
    "hadamard",
    "integer_flows",
    "integers",
    "layers_of",
    "learn_rounding",
    "learned_rotation",
    "learned_roundings",
    "low_rank",
    "mxfp4",
    "nbytes",
    "nf4",
    "noise",
    "number_formats",
    "nvfp4",
    "optimizers",
    "packing",
    "quantize",
    "quantized",
    "refined_low_rank",
    "residual_blocks",
    "rotated",
    "rounding",
    "rounding_share",
    "saved_tensors",
    "scales",
    "score_error",
    "smoothed",
    "sqnr",
    "straight_through",
    "training",
    "uniform",
    "velocity_damage",
    "without_blocks",
]
