"""Training in integers: the products of a training step, forward and back, made from numbers of 4 or 8 bits."""

from workbench.quantizers.training import leverage
from workbench.quantizers.training.block_int8 import BlockInt8, quantize
from workbench.quantizers.training.block_product import block_matmul
from workbench.quantizers.training.draws import Draws
from workbench.quantizers.training.int4 import int4
from workbench.quantizers.training.int4_linear import Int4Linear, Sampling
from workbench.quantizers.training.int8_flow import Int8Flow
from workbench.quantizers.training.jetfire import Int8DiT, Int8MLP, jetfire
from workbench.quantizers.training.splitting import Split, released_mean, split, split_as_released

__all__ = [
    "BlockInt8",
    "Draws",
    "Int4Linear",
    "Int8DiT",
    "Int8Flow",
    "Int8MLP",
    "Sampling",
    "Split",
    "block_matmul",
    "int4",
    "jetfire",
    "leverage",
    "quantize",
    "released_mean",
    "split",
    "split_as_released",
]
