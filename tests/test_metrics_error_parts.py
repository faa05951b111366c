"""Two kinds of error, split: both parts in closed form on a Gaussian."""

import math

import pytest
import torch
from helpers import levels

import workbench as wb
from workbench.metrics import error_parts, flow_end
from workbench.schedules import VE, VP

D, V, R = 300, 0.5, 0.8
S = VP()
GRID = wb.grids.log_snr(S, 8)


def gaussian(v):
    return wb.gaussian.GaussianDenoiser(torch.zeros(D, dtype=torch.float64), v, S)


X = gaussian(V).sample(64, S.t_first, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def factors(v):
    """What flow and DDIM multiply a state by, for data of variance v."""
    pairs = [levels(S, t) for t in GRID.tolist()]
    rho = [b / a for a, b in pairs]
    flow = math.sqrt((v + rho[-1] ** 2) / (v + rho[0] ** 2))
    ddim = math.prod((v + p * q) / (v + p * p) for p, q in zip(rho, rho[1:], strict=False))
    return flow * pairs[-1][0] / pairs[0][0], ddim * pairs[-1][0] / pairs[0][0]


def test_a_wrong_variance_in_closed_form() -> None:
    parts = error_parts(gaussian(R * R * V), gaussian(V), X, GRID, wb.solvers.DDIM())
    (right, _), (wrong, steps) = factors(V), factors(R * R * V)
    size = float(X.square().sum(1).mean().sqrt())
    assert parts.approximation == pytest.approx(abs(wrong - right) * size, rel=1e-9)
    assert parts.discretization == pytest.approx(abs(steps - wrong) * size, rel=1e-9)
    assert parts.total == pytest.approx(abs(steps - right) * size, rel=1e-9)
    assert parts.cosine == pytest.approx(1) and parts.total == pytest.approx(parts.discretization + parts.approximation)
    assert wrong / right == pytest.approx(R, abs=2e-3)  # the model's flow ends with R times the spread


def test_too_much_variance_hides_the_steps() -> None:
    """DDIM loses variance; a model with too much of it gives it back: the total is smaller than either part."""
    parts = error_parts(gaussian(1.6 * V), gaussian(V), X, GRID, wb.solvers.DDIM())
    assert parts.cosine == pytest.approx(-1) and parts.total < min(parts.discretization, parts.approximation)
    assert parts.total**2 == pytest.approx(
        parts.discretization**2 + parts.approximation**2 + 2 * parts.cosine * parts.discretization * parts.approximation
    )


def test_the_controls() -> None:
    law = gaussian(V)
    exact_model = error_parts(law, law, X, GRID, wb.solvers.DDIM())
    assert exact_model.approximation == exact_model.cosine == 0 and exact_model.total == exact_model.discretization > 0.1
    many = error_parts(gaussian(R * R * V), law, X, wb.grids.log_snr(S, 60), wb.solvers.UniPC())
    assert many.discretization < 1e-3 * many.approximation and many.total == pytest.approx(many.approximation, rel=1e-3)


def test_without_a_closed_form_the_flow_is_integrated() -> None:
    law, model = gaussian(V), wb.ScaledNoise(gaussian(V), 1.03)  # whose flow no ``.flow`` knows
    grid = wb.grids.log_snr(S, 4, 0.5, 0.1)
    x = law.sample(3, 0.5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rho = [levels(S, t)[1] / levels(S, t)[0] for t in (0.5, 0.1)]
    factor = levels(S, 0.1)[0] / levels(S, 0.5)[0] * ((V + rho[1] ** 2) / (V + rho[0] ** 2)) ** (0.5 / 1.03)
    parts = error_parts(model, law, x, grid, wb.solvers.DDIM())
    wanted = float((factor * x - law.flow(x, 0.5, 0.1)).square().sum(1).mean().sqrt())
    assert parts.approximation == pytest.approx(wanted, rel=1e-5)
    known = error_parts(model, law, x, grid, wb.solvers.DDIM(), model_end=factor * x, law_end=law.flow(x, 0.5, 0.1))
    assert known.total == pytest.approx(parts.total, rel=1e-6) and known.cosine == pytest.approx(parts.cosine, rel=1e-4)
    torch.testing.assert_close(flow_end(law, X, 0.9, 0.1), law.flow(X, 0.9, 0.1))


def test_messages() -> None:
    law = gaussian(V)
    with pytest.raises(ValueError, match="one schedule"):
        error_parts(law.on(VE()), law, X, GRID, wb.solvers.DDIM())
    with pytest.raises(ValueError, match="does not belong"):
        error_parts(law, law, X, GRID, wb.solvers.DDIM(), law_end=X[:1])
