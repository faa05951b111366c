"""The checks of types and shapes find every kind of function, decorated or not."""

import sys
from importlib.util import module_from_spec, spec_from_loader

import pytest
import torch
from typechecker import CheckingLoader

import workbench as wb

SOURCE = """
import functools
from collections.abc import Sequence
from dataclasses import dataclass
import torch
from jaxtyping import Float
from torch import Tensor

def product(a: Float[Tensor, "n m"], b: Float[Tensor, "m"]) -> Float[Tensor, "n"]:
    return (a * b).sum(1) if len(b) != 5 else b

@torch.no_grad()
def quietly(a: Float[Tensor, "n"], b: Sequence[Float[Tensor, "n"]]) -> None: ...

@functools.cache
def remembered(x: float) -> float:
    return x

@functools.lru_cache(maxsize=2)
def answers_wrongly() -> str:
    return 3

def later(x: "Kept", y: "Float[Tensor, 'n']", z: "Float[Tensor, 'n']") -> None: ...

@dataclass(frozen=True)
class Kept:
    size: float
    shape: Float[Tensor, "n"] | None = None

    def method(self, x: int) -> int:
        return x

    @classmethod
    def by_class(cls, x: int) -> "Kept":
        return cls(x)

    @staticmethod
    def alone(x: int) -> int:
        return x

    @property
    def wrong(self) -> str:
        return 1

    @functools.cached_property
    def wrong_and_kept(self) -> str:
        return 1
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "example.py"
    path.write_text(SOURCE)
    loader = CheckingLoader("example", str(path))
    module = sys.modules["example"] = module_from_spec(spec_from_loader("example", loader))
    loader.exec_module(module)
    yield module
    del sys.modules["example"]


def test_what_fits_passes(example):
    assert example.product(torch.ones(2, 3), torch.ones(3)).tolist() == [3, 3]
    assert example.remembered(2) == 2 and example.remembered.cache_info().currsize == 1
    assert example.answers_wrongly.cache_parameters()["maxsize"] == 2
    kept = example.Kept.by_class(2)
    assert kept.method(1) == kept.alone(1) == 1
    example.quietly(torch.ones(2), [torch.ones(2)])
    example.later(kept, torch.ones(2), torch.ones(2))


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.product(torch.ones(2, 3), torch.ones(2)),  # m is 3 and 2
        lambda m: m.product(torch.ones(2, 3), torch.ones(3).int()),
        lambda m: m.product(torch.ones(2, 5), torch.ones(5)),  # the answer has another n
        lambda m: m.product(torch.ones(2), torch.ones(2)),
        lambda m: m.quietly(torch.ones(2), [torch.ones(3)]),
        lambda m: m.quietly([1.0], []),
        lambda m: m.remembered("x"),
        lambda m: m.answers_wrongly(),
        lambda m: m.later(m.Kept(1), torch.ones(2), torch.ones(3)),
        lambda m: m.later(3, torch.ones(2), torch.ones(2)),
        lambda m: m.Kept("x"),
        lambda m: m.Kept(1.0, torch.ones(2, 2)),
        lambda m: m.Kept(1).method(1.5),
        lambda m: m.Kept.by_class("x"),
        lambda m: m.Kept.alone("x"),
        lambda m: m.Kept(1).wrong,
        lambda m: m.Kept(1).wrong_and_kept,
    ],
)
def test_what_does_not_fit_is_refused(example, call):
    with pytest.raises(TypeError, match="violates type hint"):
        call(example)


def test_the_package_is_checked():
    """A public function whose two arguments must agree, one behind a decorator, and one that nobody exports."""
    errors = wb.nets.denoising_errors
    law = wb.characters.ellipse(wb.schedules.VP())
    with pytest.raises(TypeError, match="violates type hint"):
        errors(law, torch.ones(3, 2), [0.5], generator=torch.Generator(), labels=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(TypeError, match="violates type hint"):
        wb.metrics.paired_difference(torch.ones(3), torch.ones(2))
    with pytest.raises(TypeError, match="violates type hint"):
        wb.denoiser.check_predicts(3)
