"""Looks at parts: before the call, in order, and gone afterwards, whatever happens."""

import pytest
import torch
from torch import nn

from workbench.quantizers.watching import watching


def test_each_call_is_seen_and_nothing_is_left_behind():
    net, seen = nn.Sequential(nn.Linear(2, 3), nn.Tanh()), []
    looks = {part: lambda part, inputs: seen.append((type(part).__name__, inputs[0].shape[1])) for part in (net, *net)}
    with watching(looks):
        net(torch.ones(4, 2))
    assert seen == [("Sequential", 2), ("Linear", 2), ("Tanh", 3)]
    with pytest.raises(RuntimeError, match="stop"), watching(looks):
        raise RuntimeError("stop")
    net(torch.ones(4, 2))
    assert len(seen) == 3 and not any(part._forward_pre_hooks for part in net.modules())
