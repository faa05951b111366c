"""Who is saving: the name of the module whose forward is running, and a count within it."""

from collections import Counter

from torch import nn


class ModuleNames:
    """Follow the calls of ``net`` and its parts between :meth:`follow` and :meth:`leave`."""

    def __init__(self, net: nn.Module) -> None:
        self.net, self._inside, self._counts, self._hooks = net, [], Counter(), []

    def follow(self) -> None:
        """Start with all counts at 0."""
        self._inside, self._counts = [], Counter()
        for name, part in self.net.named_modules():
            self._hooks.append(part.register_forward_pre_hook(self._entering(name or type(self.net).__name__)))
            self._hooks.append(part.register_forward_hook(self._leaving, always_call=True))

    def leave(self) -> None:
        """Stop."""
        while self._hooks:
            self._hooks.pop().remove()

    def next(self) -> str:
        """A name for the next saved tensor: "layer.norm:0", "layer.norm:1"; "outside:0" where no part of the network is running."""
        inside = self._inside[-1] if self._inside else "outside"
        self._counts[inside] += 1
        return f"{inside}:{self._counts[inside] - 1}"

    def _entering(self, name: str):
        def entering(module: nn.Module, inputs: tuple) -> None:
            self._inside.append(name)

        return entering

    def _leaving(self, module: nn.Module, inputs: tuple, output: object) -> None:
        if self._inside:
            self._inside.pop()
