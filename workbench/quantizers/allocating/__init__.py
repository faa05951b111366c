"""Which layers deserve bits, and which blocks are needed at all: measured on the model's answers, decided by a search."""

from workbench.quantizers.allocating.bits_of_layers import BitBudget
from workbench.quantizers.allocating.damage import Damage, additive, each_alone, endpoint_damage, velocity_damage
from workbench.quantizers.allocating.dropped_blocks import BlockBudget, residual_blocks, without_blocks
from workbench.quantizers.allocating.layer_bank import LayerBank

__all__ = [
    "BitBudget",
    "BlockBudget",
    "Damage",
    "LayerBank",
    "additive",
    "each_alone",
    "endpoint_damage",
    "residual_blocks",
    "velocity_damage",
    "without_blocks",
]
