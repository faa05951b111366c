"""Few bits: number formats, rounding, and networks whose weights are stored in them (pillar 4).

``choose -> quantize -> dequantize`` are pure functions; ``Affine(...)`` and ``Codebook(...)`` are their compositions.
"""

from workbench.quantizers import (
    blocks,
    clipping,
    integer_flows,
    integers,
    noise,
    number_formats,
    packing,
    rounding,
    scales,
    uniform,
)
from workbench.quantizers.activations import Ranges
from workbench.quantizers.affine import Affine
from workbench.quantizers.calibration import calibrate
from workbench.quantizers.codebook import Codebook, mxfp4, nf4, nvfp4
from workbench.quantizers.doubled import Doubled
from workbench.quantizers.hadamard import hadamard
from workbench.quantizers.layers import QuantizedLayer
from workbench.quantizers.learned_step import LearnedStep
from workbench.quantizers.model import layers_of, nbytes, quantized
from workbench.quantizers.noise import sqnr
from workbench.quantizers.outliers import branched, rotated, smoothed
from workbench.quantizers.quantizer import Quantized, Quantizer
from workbench.quantizers.scales import E4M3, Float, PowerOfTwo
from workbench.quantizers.straight_through import straight_through
from workbench.quantizers.uniform import Steps, choose, dequantize, quantize

__all__ = [
    "E4M3",
    "Affine",
    "Codebook",
    "Doubled",
    "Float",
    "LearnedStep",
    "PowerOfTwo",
    "Quantized",
    "QuantizedLayer",
    "Quantizer",
    "Ranges",
    "Steps",
    "blocks",
    "branched",
    "calibrate",
    "choose",
    "clipping",
    "dequantize",
    "hadamard",
    "integer_flows",
    "integers",
    "layers_of",
    "mxfp4",
    "nbytes",
    "nf4",
    "noise",
    "number_formats",
    "nvfp4",
    "packing",
    "quantize",
    "quantized",
    "rotated",
    "rounding",
    "scales",
    "smoothed",
    "sqnr",
    "straight_through",
    "uniform",
]
