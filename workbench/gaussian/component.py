"""One component of a mixture for each sample: what a mixture becomes once the class of every sample is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.denoiser import Time
from workbench.draws import Generators
from workbench.gaussian.gaussian import GaussianDenoiser
from workbench.gaussian.law import Law
from workbench.gaussian.mixture import MixtureDenoiser
from workbench.schedules import Schedule


@dataclass(frozen=True, eq=False)
class ComponentDenoiser(Law):
    """Sample i follows component ``labels[i]`` of ``mixture``: N(mean_k, Sigma_k), with k = labels[i] known.

    The conditional law of a batch in which every sample has its own class.  Everything is that of the
    :class:`~workbench.gaussian.GaussianDenoiser` of its component, flow map included.  Made by ``mixture.given(labels)``.

    Raises:
        ValueError: for labels that are not components; and from every method, for a batch with another number of samples.
    """

    mixture: MixtureDenoiser
    labels: Sequence[int] | Tensor
    paper = "wang2024gaussian"

    def __post_init__(self) -> None:
        labels = tuple(int(label) for label in self.labels)
        count = len(self.mixture.weights)
        if not labels or not all(0 <= label < count for label in labels):
            raise ValueError(f"labels must be components, 0 to {count - 1}, one for each sample; got {labels}")
        object.__setattr__(self, "labels", labels)

    @property
    def schedule(self) -> Schedule:
        """The schedule of the mixture."""
        return self.mixture.schedule

    @property
    def shape(self) -> torch.Size:
        """The shape of a sample."""
        return self.mixture.shape

    @cached_property
    def parts(self) -> tuple[tuple[GaussianDenoiser, Tensor], ...]:
        """Each component in use, with the places of its samples."""
        labels = torch.tensor(self.labels)
        return tuple((self.mixture.component(k), (labels == k).nonzero()[:, 0]) for k in sorted(set(self.labels)))

    def _each(self, x: Tensor, method: str, *times, out: Tensor) -> Tensor:
        """``method`` of each component on its own samples; a tensor of times is one for each sample."""
        if len(x) != len(self.labels):
            raise ValueError(f"this law has {len(self.labels)} labels, one for each sample, but x has {len(x)} samples")
        for law, rows in self.parts:
            own = [t[rows] if isinstance(t, Tensor) and t.ndim else t for t in times]
            out[rows] = getattr(law, method)(x[rows], *own)
        return out

    def _face(self, target: str, x: Tensor, t: float | Tensor) -> Tensor:
        return self._each(x, target, t, out=torch.empty_like(x))

    def flow(self, x: Float[Tensor, "batch *shape"], t: float, s: float) -> Float[Tensor, "batch *shape"]:
        """Where the probability flow of each sample's component carries it from t to s."""
        self._check(x)
        return self._each(x, "flow", float(t), float(s), out=torch.empty_like(x))

    def log_prob(self, x: Float[Tensor, "batch *shape"], t: Time = 0.0) -> Float[Tensor, "batch"]:
        """log q_t(x | label) in nats."""
        self._check(x)
        return self._each(x, "log_prob", self._time(t, len(x)), out=x.new_empty(len(x)))

    def on(self, schedule: Schedule) -> "ComponentDenoiser":
        """The same labels on another schedule."""
        return replace(self, mixture=self.mixture.on(schedule))

    def _draw(self, n: int, t: float, generator: Generators, dtype: torch.dtype, device: torch.device | str) -> Tensor:
        if n != len(self.labels):
            raise ValueError(f"this law has {len(self.labels)} labels, one for each sample; {n} samples were asked for")
        out = torch.empty(n, *self.shape, dtype=dtype, device=device)
        for law, rows in self.parts:
            own = generator if isinstance(generator, torch.Generator) else [generator[row] for row in rows.tolist()]
            out[rows.to(device)] = law.sample(len(rows), t, generator=own, dtype=dtype, device=device)
        return out
