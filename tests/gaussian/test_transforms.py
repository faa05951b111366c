"""Laws under torch.func: what a law remembers inside a transform must serve the next one, and the one after."""

import pytest
import torch

import workbench as wb


def laws():
    schedule = wb.schedules.VP()
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return {
        "gaussian": wb.characters.ellipse(schedule),
        "mixture": wb.characters.ring(schedule),
        "empirical": wb.gaussian.EmpiricalDenoiser(points, schedule),
    }


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", ["gaussian", "mixture", "empirical"])
def test_two_hessians_of_a_law_that_has_not_been_used_before(kind, dtype):
    fresh, warm = laws()[kind], laws()[kind]
    x = torch.tensor([0.4, -0.2], dtype=dtype)
    warm.log_prob(x[None], 0.5)
    warm.data(x[None], 0.5)
    for function in (lambda law: lambda y: law.log_prob(y[None], 0.5)[0], lambda law: lambda y: law.data(y[None], 0.5).sum()):
        expected = torch.func.hessian(function(warm))(x)
        for _ in range(2):
            assert torch.equal(torch.func.hessian(function(fresh))(x), expected)
    assert torch.equal(fresh.data(x[None], 0.5), warm.data(x[None], 0.5))
