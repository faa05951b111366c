"""Quantizers as plain data, so that a file can say how its codes are to be read."""

import dataclasses
from typing import Any

import torch

from workbench.quantizers.affine import Affine
from workbench.quantizers.codebook import Codebook
from workbench.quantizers.doubled import Doubled
from workbench.quantizers.factored import Factored
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.rank_one import RankOne
from workbench.quantizers.scales import E4M3, Float, PowerOfTwo
from workbench.quantizers.split import Split

KINDS = {kind.__name__: kind for kind in (Affine, Codebook, RankOne, Factored, Float, PowerOfTwo, E4M3, Doubled, Split)}


def describe(thing: Any) -> Any:
    """A quantizer or a format of steps as what JSON can hold."""
    if isinstance(thing, tuple(KINDS.values())):
        fields = {field.name: describe(getattr(thing, field.name)) for field in dataclasses.fields(thing)}
        return {"kind": type(thing).__name__, **fields}
    if isinstance(thing, torch.dtype):
        return str(thing)
    return list(thing) if isinstance(thing, tuple) else thing


def from_description(text: dict[str, Any]) -> Quantizer | Factored:
    """The quantizer that :func:`describe` described.

    Raises:
        ValueError: for a kind or a setting that this version does not know.
    """
    return _read(text)


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        kind = KINDS.get(value.get("kind"))
        if kind is None:
            raise ValueError(f"quantizer {value.get('kind')!r} is not known to this version, which has {', '.join(KINDS)}")
        try:
            return kind(**{name: _read(item) for name, item in value.items() if name != "kind"})
        except TypeError as error:
            raise ValueError(f"these settings of {value['kind']} are not known to this version: {error}") from error
    if isinstance(value, str) and value.startswith("torch."):
        return getattr(torch, value.removeprefix("torch."))
    return tuple(value) if isinstance(value, list) else value
