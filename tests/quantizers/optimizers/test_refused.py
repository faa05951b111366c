"""What cannot be worked with is refused before anything changes."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.quantizers import SGD, AdamW, Codebook, Factored
from workbench.quantizers.optimizers import FewBits, NonFiniteGradient


def parameter(*shape):
    return torch.nn.Parameter(torch.ones(*shape))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"amsgrad": True}, "take torch.optim.AdamW"),
        ({"lr": -1e-3}, "lr=-0.001"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0"),
        ({"betas": (0.9, 1.0)}, r"betas=\(0.9, 1.0\)"),
        ({"eps": 0.0}, "has v = 0"),
        ({"smallest": -1}, "smallest=-1"),
        ({"first": Factored()}, "has both signs"),
        ({"first": Codebook(rounding="stochastic")}, "give generator="),
    ],
)
def test_settings(how, words):
    with pytest.raises(ValueError, match=words):
        AdamW([parameter(3)], **how)
    if "first" not in how:
        with pytest.raises(ValueError, match=words):
            AdamW([{"params": [parameter(3)], **how}])


def test_kinds_of_settings_and_parameters():
    with pytest.raises(TypeError, match="Codebook"):
        AdamW([parameter(3)]).add_param_group({"params": [parameter(2)], "second": "int8"})
    for kind in (AdamW, SGD):
        with pytest.raises(TypeError, match="real floating-point"):
            kind([torch.nn.Parameter(torch.ones(3, dtype=torch.complex64))])
    with pytest.raises(NotImplementedError):
        FewBits.update(AdamW([parameter(3)]), parameter(1), torch.ones(1), {}, {})


def test_a_refused_group_is_not_kept():
    optimizer = AdamW([parameter(3)])
    with pytest.raises(TypeError, match="real"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(3, dtype=torch.complex64))]})
    assert len(optimizer.param_groups) == 1


@given(st.sampled_from([float("nan"), float("inf"), -float("inf"), 3e19]), st.integers(0, 8191), st.sampled_from([AdamW, SGD]))
def test_a_bad_gradient_changes_nothing(bad, place, kind):
    """One NaN would spoil its block, 127 neighbors, for ever: so all gradients are looked at first."""
    good, spoiled = parameter(64, 128), parameter(64, 128)
    optimizer = kind([good, spoiled], lr=1e-3)
    for p in (good, spoiled):
        p.grad = torch.ones(64, 128)
    optimizer.step()
    before = copy.deepcopy((good.detach(), spoiled.detach(), optimizer.state_dict()))
    spoiled.grad.view(-1)[place] = bad
    if kind is SGD and bad == 3e19:
        optimizer.step()  # no square is taken
        return
    with pytest.raises(NonFiniteGradient, match=r"parameter 1 \(64, 128\) has 1 of 8192"):
        optimizer.step()
    assert torch.equal(good, before[0]) and torch.equal(spoiled, before[1])
    for key, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            old = before[2]["state"][key][name]
            parts, others = (v["parts"] if isinstance(v, dict) else {"": v} for v in (value, old))
            assert all(torch.equal(part, others[k]) for k, part in parts.items())


def test_sparse_gradients():
    layer = torch.nn.Embedding(10, 4, sparse=True)
    layer(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(TypeError, match="sparse=False"):
        AdamW(layer.parameters()).step()


def test_nothing_to_do():
    empty, idle = parameter(0, 5), parameter(3)
    empty.grad = torch.empty(0, 5)
    optimizer = AdamW([empty, idle], smallest=0)
    assert optimizer.step() is None and torch.equal(idle, torch.ones(3)) and idle not in optimizer.state
