"""The statistics of the network: what is stored is what was measured, and the shipped ones belong to the shipped network."""

import pytest
import torch

import workbench as wb
from workbench.artifacts import ArtifactError, cifar10_statistics

ENTRY = {"sha256": "0" * 64}


def test_what_is_stored_is_what_a_gaussian_says(tmp_path):
    """Of the Gaussian law of CIFAR-10 itself: along the leading eigenvectors l is its closed form, up to 16 bits."""
    law = wb.characters.cifar10(wb.schedules.VE())
    images = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    entry = cifar10_statistics.build(law, images, tmp_path, ENTRY, nodes=4, batch=2)
    found = wb.artifacts.load("cifar10-statistics", tmp_path)
    assert entry["measured"]["evaluations"] == 4 * 4 * 5 and "--number 4 --nodes 4" in entry["command"]
    assert found["pixels"].samples == found["eigenvectors"].samples == 4 and found["pixels"].l.shape == (4, 3, 32, 32)
    variances = law.covariance.spectrum[:32]
    wanted = 1 / (1 + variances * torch.exp(2 * found["eigenvectors"].nodes)[:, None])
    tall = found["eigenvectors"].l[:, :32]
    # four directions are few: off the diagonal nothing is left only where J is nearly a multiple of the identity, at both ends
    for end in (0, -1):
        torch.testing.assert_close(tall[end], wanted[end], rtol=0, atol=0.15)
    torch.testing.assert_close(found["eigenvectors"].s, found["eigenvectors"].l - 1, rtol=0, atol=1e-3)


def test_the_shipped_statistics_belong_to_the_shipped_network():
    told = wb.artifacts.describe("cifar10-statistics")["measured"]
    assert told["network_sha256"] == wb.artifacts.describe("cifar10-denoiser")["sha256"]
    stored = wb.artifacts.load("cifar10-statistics")
    for one in stored.values():
        assert (one.samples, one.evaluations) == (told["samples"], told["evaluations"]) == (192, 192 * 49 * 5)
        mean = one.l.flatten(1).mean(1)
        assert mean[0] > 0.999 and mean[-1] < 0.1 and bool((mean.diff() < 1e-3).all())  # from 1 to 0, and never up


def test_bytes_that_are_something_else_are_refused():
    with pytest.raises(ArtifactError, match="no model statistics"):
        cifar10_statistics.unpack(b"something else")
