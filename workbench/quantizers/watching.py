"""Look at what parts of a network are given while it runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

Look = Callable[[nn.Module, tuple[Any, ...]], None]


@contextmanager
def watching(looks: Mapping[nn.Module, Look]) -> Iterator[None]:
    """Call ``looks[part](part, inputs)`` before every call of a part, in their order, until the block is left, by an error too."""
    handles = [part.register_forward_pre_hook(look) for part, look in looks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
