"""A few numbers going downhill: Adam with a cosine, its best and its checkpoint."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.nets.training.checkpoint import CheckpointError, differences, load, save


class Descent:
    """Adam with a cosine, which remembers the best it has met and can be put away."""

    def __init__(self, free: list[Tensor], iterations: int, rate: float) -> None:
        self.free, self.iterations, self.rate = free, iterations, rate
        self.optimizer, self.history = torch.optim.Adam(free, lr=rate), []
        self.best = [one.detach().clone() for one in free]

    def step(self, loss: Callable[[list[Tensor]], Tensor]) -> float:
        """Evaluate, remember if it is the best, and descend, except after the last evaluation."""
        done = len(self.history)
        with torch.set_grad_enabled(done < self.iterations):
            value = loss(self.free)
            if done < self.iterations:
                gradients = torch.autograd.grad(value, self.free)
        worth = value.item()
        worth = worth if math.isfinite(worth) else math.inf
        if worth < min(self.history, default=math.inf):
            self.best = [one.detach().clone() for one in self.free]
        if done < self.iterations:
            for one, gradient in zip(self.free, gradients, strict=True):
                one.grad = gradient.nan_to_num(0.0, 0.0, 0.0)
            for group in self.optimizer.param_groups:
                group["lr"] = 0.5 * self.rate * (1 + math.cos(math.pi * done / self.iterations))
            self.optimizer.step()
        self.history.append(worth)
        return worth

    def keep(self, path: Path, about: dict[str, Any]) -> None:
        """Write everything the next step depends on, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        free = [one.detach() for one in self.free]
        save(path, {"free": free, "best": self.best, "history": self.history, "optimizer": self.optimizer.state_dict()}, about)

    def resume(self, path: Path, about: dict[str, Any]) -> None:
        """Go on from a checkpoint; CheckpointError for one of another training."""
        state, stored, _ = load(path)
        if wrong := differences(stored, about):
            raise CheckpointError(f"{path} is of another training: {'; '.join(wrong)}. Ask for the same, or take another file")
        with torch.no_grad():
            for one, old in zip(self.free, state["free"], strict=True):
                one.copy_(old)
        self.best, self.history = state["best"], state["history"]
        self.optimizer.load_state_dict(state["optimizer"])
