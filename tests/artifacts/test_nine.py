"""The nine pictures of the network: what is stored is where its flow ends, and it is refused for another network."""

import pytest
import torch

import workbench as wb
from workbench.artifacts import ArtifactError, cifar10_nine

ENTRY = {"sha256": "0" * 64}


def small(n: float = 0.25):
    """A Gaussian of images whose flow is known."""
    return wb.gaussian.GaussianDenoiser(torch.zeros(3, 32, 32, dtype=torch.float64), n, wb.schedules.VE())


@pytest.mark.parametrize("schedule", [wb.schedules.VP(), wb.schedules.Rectified()], ids=lambda s: type(s).__name__)
def test_what_is_stored_is_the_end_of_the_flow(tmp_path, schedule):
    law = small()
    entry = cifar10_nine.build(law, tmp_path, ENTRY, schedules=[schedule], steps=128)
    name = type(schedule).__name__
    found = wb.artifacts.load("cifar10-nine", tmp_path)[name].double()
    exact = law.on(schedule).flow(wb.characters.nine(schedule).double(), schedule.t_first, 0.0)
    error = float((found - exact).square().mean().sqrt() / exact.std())
    distance = entry["measured"]["distance"][name]
    sigma = schedule.sigma(schedule.t_last) / schedule.alpha(schedule.t_last)
    ending = 1 - 0.25**0.5 / (0.25 + sigma**2) ** 0.5  # the last step takes the mean, which is shorter than the flow by this factor
    assert distance < 2e-4 and error == pytest.approx(ending, rel=0.1, abs=1e-4)
    assert entry["measured"]["network_sha256"] == "0" * 64 and "--steps 128" in entry["command"]


def test_the_shipped_nine_belong_to_the_shipped_network_and_another_solver_agrees():
    schedule = wb.schedules.VE()
    stored = wb.characters.nine_pictures(schedule)
    start = wb.characters.nine(schedule)[:1]
    drawn = wb.solve(wb.characters.network(schedule), start, wb.grids.karras(schedule, 24, stop=0.0), wb.solvers.Heun()).x
    assert stored.shape == (9, 3, 32, 32) and stored.dtype == torch.float32
    assert float((drawn - stored[:1]).square().mean().sqrt() / stored.std()) < 0.05
    assert max(wb.artifacts.describe("cifar10-nine")["measured"]["distance"].values()) < 1e-3


def test_pictures_of_another_network_are_refused(tmp_path, monkeypatch):
    cifar10_nine.build(small(), tmp_path, ENTRY, schedules=[wb.schedules.VE()], steps=2)
    monkeypatch.setenv("WORKBENCH_ARTIFACTS", str(tmp_path))
    with pytest.raises(ArtifactError, match="drawn by another network"):
        wb.characters.nine_pictures(wb.schedules.VE())


def test_bad_requests(tmp_path):
    with pytest.raises(ValueError, match=r"stored for VP\(\), VE\(\), Cosine\(\), Rectified\(\)"):
        wb.characters.nine_pictures(wb.schedules.VP(beta_max=10.0))
    for steps in (1, 3, 0):
        with pytest.raises(ValueError, match="even number"):
            cifar10_nine.build(small(), tmp_path, ENTRY, steps=steps)
    with pytest.raises(ArtifactError, match="no pictures"):
        cifar10_nine.unpack(b"something else")
