"""A denoiser that is another network at every step: blocks of the network left out where they matter least."""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from workbench.denoiser import Denoiser, Time


class Stepwise(Denoiser):
    """The k-th of ``models`` answers for the times of the k-th step: from its beginning down to, but without, its end.

    Args:
        times: where the steps begin, decreasing.
        models: one for each, on one schedule and with one native face.

    Raises:
        ValueError: for another number of models than steps, or times that do not decrease.
    """

    def __init__(self, times: Sequence[float], models: Sequence[Denoiser]) -> None:
        if len(times) != len(models) or not len(times) or any(a <= b for a, b in zip(times, times[1:], strict=False)):
            raise ValueError(
                f"got {len(models)} models for the steps that begin at {list(times)}; needs one for each, times decreasing"
            )
        self.models, self._rising = tuple(models), list(reversed(times))
        self.schedule, self.predicts = models[0].schedule, models[0].predicts
        self.cost = max(model.cost for model in models)

    def at(self, t: float) -> Denoiser:
        """The model that answers at t."""
        place = min(bisect_left(self._rising, t), len(self._rising) - 1)
        return self.models[len(self.models) - 1 - place]

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """The native face of the model at t.

        Raises:
            ValueError: for a time for each sample: a step has one.
        """
        if isinstance(t, Tensor) and t.ndim:
            raise ValueError("a stepwise model takes one time for the whole batch; a grid gives every sample the same")
        return self.at(float(t)).face(self.predicts, x, t)


class Skipping:
    """The versions of a model with blocks left out, made when they are first asked for; the last few are kept.

    All of them use the model's own weights, so that they take no memory to speak of; they are for asking, not for training.

    Args:
        model: a denoiser with a network of residual blocks in its field ``net``.
        kept: how many versions to keep in memory.

    Attributes:
        names: of the blocks.

    Raises:
        TypeError: for a model without a network.
        ValueError: for a network without residual blocks.
    """

    def __init__(self, model: Any, kept: int = 32) -> None:
        from workbench.quantizers.allocating import residual_blocks  # quantizers are clients of this package

        self.whole, self.names, self.kept = model, tuple(residual_blocks(model)), kept
        self._made: OrderedDict[tuple[int, ...], Any] = OrderedDict({(): model})
        if not self.names:
            raise ValueError("the network has no residual blocks that could be left out")

    def without(self, blocks: tuple[int, ...]) -> Any:
        """The model without these blocks."""
        from workbench.quantizers.allocating import without_blocks

        if blocks not in self._made:
            self._made[blocks] = _sharing(without_blocks(self.whole, blocks), self.whole)
            if len(self._made) > self.kept:
                self._made.popitem(last=False)
        self._made.move_to_end(blocks)
        return self._made[blocks]

    def model(self, times: Sequence[float], skipped: Sequence[tuple[int, ...]]) -> Stepwise:
        """The model for a grid, with other blocks left out in each of its steps."""
        return Stepwise(times[:-1], [self.without(tuple(blocks)) for blocks in skipped])


def _sharing(version: Any, whole: Any) -> Any:
    """``version`` with the weights of ``whole`` in the place of its copies of them."""
    from workbench.quantizers.model import net_of

    own = dict(net_of(whole).named_parameters())
    for name, weight in net_of(version).named_parameters():
        weight.data = own[name].data
    return version
