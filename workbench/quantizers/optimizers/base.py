"""What optimizers with few bits share: settings and gradients are checked, moments kept, saved and loaded without a cast."""

import math
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, ClassVar

import torch
from torch import Tensor

from workbench.quantizers.description import describe, from_description
from workbench.quantizers.factored import Factored
from workbench.quantizers.optimizers.packed import Packed, keep, restored
from workbench.quantizers.quantizer import Quantizer


class NonFiniteGradient(ArithmeticError):
    """A gradient that is infinite, not a number, or too large to be worked with; nothing has been changed."""


class FewBits(torch.optim.Optimizer):
    """Base of :class:`AdamW` and :class:`SGD`: a ``torch.optim.Optimizer`` whose moments are stored by quantizers.

    A step restores the moments of one parameter after the other, takes the step of ``torch.optim`` with them in float32
    (float64 for such parameters), and stores them again.  The weights move by the fresh moments; rounding enters through
    what the next step reads.

    A kind names its ``moments`` (name in the state -> setting of the group that says how it is stored), the ``largest``
    gradient it can take, and has ``update(parameter, gradient, state, group)``.
    """

    moments: ClassVar[dict[str, str]] = {}
    largest: ClassVar[float] = torch.finfo(torch.float32).max

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any], generator: torch.Generator | None) -> None:
        self._draws: torch.Generator | None = None
        if generator is not None:
            seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
            self._draws = torch.Generator().manual_seed(seed)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own, ``{"params": ..., "first": ...}``; checked first."""
        self.check(self.defaults | param_group)
        before = len(self.param_groups)
        super().add_param_group(param_group)
        for parameter in self.param_groups[before]["params"]:
            if not parameter.is_floating_point():
                del self.param_groups[before]
                raise TypeError(f"got a parameter of {parameter.dtype}; moments are kept of real floating-point numbers")

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError or TypeError for settings that cannot be worked with."""
        for name in ("lr", "weight_decay"):
            if not 0 <= float(group[name]) < math.inf:
                raise ValueError(f"{name}={group[name]!r}; it needs to be 0 or more and finite")
        if isinstance(group["smallest"], bool) or not isinstance(group["smallest"], int) or group["smallest"] < 0:
            raise ValueError(f"smallest={group['smallest']!r}; it is a number of entries, below which nothing is quantized")
        for name in self.moments.values():
            form = group[name]
            if not isinstance(form, Quantizer | Factored | None):
                raise TypeError(f"{name}={form!r}; give a quantizer, such as wb.quantizers.Codebook(...), or None for 32 bits")
            if getattr(form, "rounding", "nearest") == "stochastic" and self._draws is None:
                raise ValueError(f"{name} rounds by chance: give generator=torch.Generator().manual_seed(...)")
        if getattr(group["first"], "used_as_stored", False):
            raise ValueError("first=Factored() describes numbers that are not negative; a mean of gradients has both signs")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient, and return what ``closure`` returns.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns it.

        Raises:
            TypeError: for sparse gradients.
            NonFiniteGradient: for NaN, infinity, or numbers whose square is beyond float32.  One such entry would spoil
                the scale of its block and with it the moments of its neighbors.  All gradients are looked at before
                anything is changed, so the step may be left out, or repeated.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        todo = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for place, (parameter, _) in enumerate(todo):
            self._check_gradient(place, parameter)
        for parameter, group in todo:
            wide = torch.float64 if parameter.dtype == torch.float64 else torch.float32
            gradient = parameter.grad.to(wide)
            work = parameter if parameter.dtype == wide else parameter.to(wide)
            self.update(work, -gradient if group["maximize"] else gradient, self.state[parameter], group)
            if work is not parameter:
                parameter.copy_(work)
        return loss

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Move one parameter, in place."""
        raise NotImplementedError

    def read(self, state: dict[str, Any], name: str, like: Tensor) -> Tensor:
        """A moment, to be worked on in place; zeros where there is none yet."""
        return restored(state[name]) if name in state else torch.zeros_like(like)

    def write(self, state: dict[str, Any], name: str, moment: Tensor, group: dict[str, Any]) -> None:
        """Keep a moment as the group says."""
        state[name] = keep(moment, group[self.moments[name]], group["smallest"], self._draws)

    @property
    def nbytes(self) -> int:
        """Bytes of all moments as they are kept now; none before the first step."""
        kept = [state[name] for state in self.state.values() for name in self.moments if name in state]
        return sum(moment.nbytes for moment in kept)

    def _check_gradient(self, place: int, parameter: Tensor) -> None:
        gradient = parameter.grad
        if gradient.is_sparse:
            raise TypeError(f"parameter {place} {tuple(parameter.shape)} has a sparse gradient; build its layer with sparse=False")
        if gradient.numel() and not float(gradient.abs().amax()) <= self.largest:
            bad = int((~(gradient.abs() <= self.largest)).sum())
            raise NonFiniteGradient(
                f"the gradient of parameter {place} {tuple(parameter.shape)} has {bad} of {gradient.numel()} entries that are NaN, infinite "
                f"or beyond {self.largest:.1g}; nothing was changed: leave this step out, or find out why, or lower the learning rate"
            )

    def state_dict(self) -> dict[str, Any]:
        """As that of every optimizer: plain data and tensors.  A moment in few bits is {"format", "dtype", "parts"}, its codes uint8.

        Where rounding is by chance, the state of its generator belongs to it, so that a resumed run is the uninterrupted one.
        """
        out = super().state_dict()
        for group in out["param_groups"]:
            group.update({name: describe(group[name]) for name in self.moments.values()})
        out["state"] = {
            key: {name: value.as_dict() if isinstance(value, Packed) else value for name, value in state.items()}
            for key, state in out["state"].items()
        }
        if self._draws is not None:
            out["generator"] = self._draws.get_state()
        return out

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave.  A state of the ``torch.optim`` namesake is taken as well, and stored as the groups say.

        Raises:
            ValueError: for codes that were cast, moments of other shapes, or other groups.
        """
        groups = []
        for saved, own in zip(state_dict["param_groups"], self.param_groups, strict=False):
            forms = {name: self._form(saved[name]) if name in saved else own[name] for name in self.moments.values()}
            groups.append({"smallest": own["smallest"], **saved, **forms})
            self.check(groups[-1])
        groups += state_dict["param_groups"][len(groups) :]  # too many: torch says so
        ids = chain.from_iterable(group["params"] for group in groups)
        owner = dict(zip(ids, ((p, g) for g in self.param_groups for p in g["params"]), strict=False))
        formats = dict(zip((id(g) for g in self.param_groups), groups, strict=False))
        states = {
            key: self._loaded(state, owner[key][0], formats[id(owner[key][1])])
            for key, state in state_dict["state"].items()
            if key in owner
        }
        parameters = {key: parameter for key, (parameter, _) in owner.items()}
        super().load_state_dict({"state": {}, "param_groups": groups})
        self.state.update({parameters[key]: state for key, state in states.items()})
        if self._draws is not None and "generator" in state_dict:
            self._draws.set_state(state_dict["generator"].cpu())

    @staticmethod
    def _form(stored: Any) -> Any:
        return from_description(stored) if isinstance(stored, dict) else stored

    def _loaded(self, state: dict[str, Any], parameter: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        wide, out = torch.float64 if parameter.dtype == torch.float64 else torch.float32, {}
        for name, value in state.items():
            if name not in self.moments or value is None:
                out[name] = value.clone() if isinstance(value, Tensor) else value
            elif isinstance(value, dict):
                out[name] = Packed.from_dict(value, parameter)
            elif value.shape != parameter.shape:
                raise ValueError(
                    f"{name} is {tuple(value.shape)} and its parameter {tuple(parameter.shape)}; load the state of this network"
                )
            else:
                moment = value.to(parameter.device, wide, copy=True)
                out[name] = keep(moment, group[self.moments[name]], group["smallest"], self._draws)
        return out

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_draws": None if self._draws is None else self._draws.get_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        draws = state.pop("_draws", None) if "_draws" in state else getattr(self, "_draws", None)
        if isinstance(draws, Tensor):
            kept, draws = draws, torch.Generator()
            draws.set_state(kept)
        super().__setstate__(state)
        self._draws = draws
