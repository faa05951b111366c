"""Small networks trained several times: one file for all of them, weights in 16 bits, named ``group/place/weight``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from workbench.artifacts.manifest import ArtifactError
from workbench.denoiser import Denoiser


def distinct(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds. Raises ``ValueError`` where there are none, or where two are the same."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds={tuple(seeds)}; one or more are needed, and no two the same")
    return tuple(seeds)


def pack(models: Mapping[str, Sequence[Denoiser]]) -> bytes:
    """Return the weights of all models in float16, named ``group/place/weight``, as safetensors."""
    tensors = {
        f"{group}/{place}/{key}": value.half().contiguous()
        for group, members in models.items()
        for place, model in enumerate(members)
        for key, value in model.net.state_dict().items()
    }
    return save_safetensors(tensors)


def unpack(
    content: bytes, groups: Sequence[str], made: Callable[[str, dict[str, Tensor]], Denoiser], what: str
) -> dict[str, tuple[Any, ...]]:
    """Return the models of every group, one for each seed.

    Args:
        content: what :func:`pack` returned.
        groups: the groups that are needed.
        made: makes a model from the name of its group and its weights in 32 bits.
        what: the models in words, for the error.

    Raises:
        ArtifactError: for bytes that are something else, or that lack a group.
    """
    try:
        states: dict[str, dict[int, dict[str, Tensor]]] = {}
        for key, value in load_safetensors(content).items():
            group, place, weight = key.split("/")
            states.setdefault(group, {}).setdefault(int(place), {})[weight] = value.float()
        return {group: tuple(made(group, states[group][place]) for place in range(len(states[group]))) for group in groups}
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"these bytes are no {what} in safetensors form: {error}") from error
