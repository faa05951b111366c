"""Small memories: what a network keeps for the way back, kept in few bits (``chen2021actnn``, ``liu2022gact``).

The form in which every *sample* has bits of its own, ActNN's, is not here: bits belong to tensors.
"""

from workbench.quantizers.saved_tensors.adaptation import allocate, predicted_variance
from workbench.quantizers.saved_tensors.memory import Memory, compressed
from workbench.quantizers.saved_tensors.sensitivity import sensitivities
from workbench.quantizers.saved_tensors.small_memory import SmallMemory
from workbench.quantizers.saved_tensors.tensor_record import Saved

__all__ = ["Memory", "Saved", "SmallMemory", "allocate", "compressed", "predicted_variance", "sensitivities"]
