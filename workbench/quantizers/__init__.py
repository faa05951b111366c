"""Few bits: number formats, rounding, and networks whose weights are stored in them (pillar 4).

``choose -> quantize -> dequantize`` are pure functions; ``Affine(...)`` and ``Codebook(...)`` are their compositions.
"""

from workbench.quantizers import (
    allocation,
    blocks,
    clipping,
    integers,
    noise,
    number_formats,
    packing,
    rounding,
    saved_tensors,
    scales,
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
from workbench.quantizers.hadamard import hadamard
from workbench.quantizers.layers import QuantizedLayer
from workbench.quantizers.learned_rounding import LearnedRounding, learn_rounding, learned_roundings
from workbench.quantizers.learned_step import LearnedStep
from workbench.quantizers.low_rank import low_rank, refined_low_rank
from workbench.quantizers.linearized import Linearized, endpoint_shift, gronwall
from workbench.quantizers.model import layers_of, nbytes, quantized
from workbench.quantizers.noise import sqnr
from workbench.quantizers.outliers import branched, rotated, smoothed
from workbench.quantizers.quantizer import Quantized, Quantizer
from workbench.quantizers.saved_tensors import Memory, Saved, SmallMemory, compressed
from workbench.quantizers.scales import E4M3, Float, PowerOfTwo
from workbench.quantizers.split import Split
from workbench.quantizers.score_error import ErrorByTime, error_of_layers, score_error
from workbench.quantizers.straight_through import straight_through
from workbench.quantizers.uniform import Steps, choose, dequantize, quantize

__all__ = [
    "E4M3",
    "Affine",
    "BitBudget",
    "BlockBudget",
    "Choice",
    "Codebook",
    "Corrected",
    "Doubled",
    "ErrorByTime",
    "ErrorLaw",
    "Float",
    "LayerBank",
    "LearnedRounding",
    "LearnedStep",
    "Memory",
    "LawFit",
    "LearnedStep",
    "Linearized",
    "PowerOfTwo",
    "Quantized",
    "QuantizedLayer",
    "Quantizer",
    "Ranges",
    "Saved",
    "SmallMemory",
    "Split",
    "RoundedAnswers",
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
    "dequantize",
    "each_alone",
    "endpoint_damage",
    "corrected",
    "dequantize",
    "dither_covariance",
    "endpoint_shift",
    "error_of_layers",
    "fit_law",
    "gronwall",
    "hadamard",
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
    "packing",
    "quantize",
    "quantized",
    "residual_blocks",
    "refined_low_rank",
    "rotated",
    "rounding",
    "saved_tensors",
    "rounding_share",
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
