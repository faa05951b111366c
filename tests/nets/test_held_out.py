"""The held-out error is the floor where the floor is known, and its draws do not depend on who is asked."""

import pytest
import torch

import workbench as wb

SIGMAS = (0.1, 1.0, 5.0)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_an_exact_law_reaches_its_floor():
    law = wb.characters.ellipse(wb.schedules.VE())
    found = wb.nets.denoising_errors(law, law.sample(20_000, generator=rng()), SIGMAS, generator=rng(1), batch=5_000)
    floor = torch.tensor([law.mmse(s) / law.dim for s in SIGMAS], dtype=torch.float64)
    torch.testing.assert_close(found, floor, rtol=0.03, atol=0)


def test_the_noise_is_the_same_for_every_model_time_and_batch():
    law = wb.characters.ellipse(wb.schedules.VE())
    x0 = law.sample(100, generator=rng(), dtype=torch.float64)
    seen = []
    model = wb.NetworkDenoiser(lambda x, t: seen.append((x - x0) / t[:, None]) or x, law.schedule, "data")
    found = wb.nets.denoising_errors(model, x0, SIGMAS, generator=rng(1), batch=100)
    for noise in seen[1:]:
        torch.testing.assert_close(noise, seen[0])
    torch.testing.assert_close(found, seen[0].square().mean() * torch.tensor(SIGMAS, dtype=torch.float64) ** 2)
    apart = wb.nets.denoising_errors(law, x0, SIGMAS, generator=rng(1), batch=7)
    torch.testing.assert_close(apart, wb.nets.denoising_errors(law, x0, SIGMAS, generator=rng(1), batch=100))


@pytest.mark.parametrize("wrong", [{"times": ()}, {"batch": 0}, {"x0": torch.zeros(0, 2)}])
def test_nothing_to_measure_is_refused(wrong):
    law = wb.characters.ellipse(wb.schedules.VE())
    given = {"x0": torch.zeros(3, 2), "times": (1.0,), **wrong}
    with pytest.raises(ValueError, match="needs at least one of each"):
        wb.nets.denoising_errors(law, given.pop("x0"), given.pop("times"), generator=rng(), **given)
