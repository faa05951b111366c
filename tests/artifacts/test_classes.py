"""The class moments: built end to end from small images whose classes numpy knows, and the shipped ones."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_images import pixels, start

import workbench as wb
from workbench.artifacts import ArtifactError, cifar10_classes, cifar10_moments
from workbench.artifacts.classes import pack, unpack

NAME = "cifar10-classes"
CLASSES = ("disk", "square", "star")


def labeled(n=180, seed=0):
    """Three classes that differ in mean and in spread."""
    images, labels = pixels(n, seed=seed).double(), torch.arange(n) % 3
    gain = torch.tensor([0.5, 1.0, 1.5]).double()[labels].view(-1, 1, 1, 1)
    shifted = 128 + gain * (images - 128) + 15 * (labels - 1).view(-1, 1, 1, 1)
    return SimpleNamespace(images=shifted.clamp(0, 255).to(torch.uint8), labels=labels, classes=CLASSES)


def built(folder, train, rank=6, basis=20):
    cifar10_moments.build(train.images, folder, "official", leading=8, rank=basis)
    return classes_of(train, folder, rank)


def classes_of(train, folder, rank):
    test = labeled(90, seed=1)
    held_out = (test.images, test.labels)
    return cifar10_classes.build(train.images, train.labels, folder, "official", held_out=held_out, names=CLASSES, rank=rank)


def rows(data):
    return data.images.flatten(1).numpy() / 127.5 - 1


def test_what_is_stored_is_what_numpy_finds(tmp_path):
    train = labeled()
    entry = built(tmp_path, train)
    stored, moments = (wb.artifacts.load(name, tmp_path) for name in (NAME, "cifar10-moments"))
    basis = moments.vectors[:, :6].numpy()
    assert stored.names == CLASSES and stored.rank == 6
    np.testing.assert_allclose(stored.frequencies, [1 / 3] * 3, rtol=1e-15)
    for k in range(3):
        own = rows(train)[train.labels.numpy() == k]
        np.testing.assert_allclose(stored.means[k], own.mean(0) @ basis, atol=1e-6)
        expected = basis.T @ np.cov(own.T, bias=True) @ basis
        np.testing.assert_allclose(stored.covariance(k), expected, atol=2e-5 * expected.max())
        assert (stored.values[k].diff() <= 0).all() and (stored.values[k] > 0).all()
        torch.testing.assert_close(stored.vectors[k].T @ stored.vectors[k], torch.eye(6).double(), rtol=0, atol=1e-13)
    assert entry["measured"]["counts"] == [60, 60, 60]
    content = (tmp_path / entry["file"]).read_bytes()
    assert built(tmp_path, train)["sha256"] == entry["sha256"]
    assert (tmp_path / entry["file"]).read_bytes() == content


def test_errors_are_those_of_the_denoisers_on_the_images(tmp_path):
    """The closed form against E over x_0 in the class and eps: exact over x_0, and over eps because the denoiser is linear."""
    train = labeled()
    measured = built(tmp_path, train)["measured"]
    stored, moments = (wb.artifacts.load(name, tmp_path) for name in (NAME, "cifar10-moments"))
    ve, found = wb.schedules.VE(), {0.1: [], 1.0: []}
    outside = wb.gaussian.GaussianDenoiser.from_moments(moments, ve)
    covariances = [wb.gaussian.LowRank(u, v) for u, v in zip(stored.vectors, stored.values, strict=True)]
    law = wb.gaussian.SubspaceLaw(wb.gaussian.MixtureDenoiser(stored.frequencies, stored.means, covariances, ve), outside)
    for k in range(3):
        own = torch.from_numpy(rows(train)[train.labels.numpy() == k])
        true = np.linalg.eigvalsh(np.cov(own.numpy().T, bias=True)).clip(0)
        for sigma, excess in found.items():
            zero = law.given(k).data(torch.zeros(1, 3, 4, 4).double(), sigma).flatten(1)
            matrix = law.given(k).data(torch.eye(48).double().view(48, 3, 4, 4), sigma).flatten(1) - zero
            error = (own @ matrix + zero - own).square().sum(1).mean() + sigma**2 * matrix.square().sum()
            excess.append(error.item() / (true * sigma**2 / (true + sigma**2)).sum() - 1)
    for sigma, excess in found.items():
        assert measured["errors_by_sigma"][str(sigma)]["excess_mean"] == pytest.approx(np.mean(excess), rel=1e-6)
        assert measured["errors_by_sigma"][str(sigma)]["excess_worst_class"] == pytest.approx(max(excess), rel=1e-6)
        assert min(excess) > 0
    held_out = labeled(90, seed=1)
    guess = law.responsibilities(torch.from_numpy(rows(held_out)).view(-1, 3, 4, 4), 1e-9).argmax(1)
    assert measured["accuracy"]["held_out"] == pytest.approx((guess == held_out.labels).double().mean().item(), abs=1e-12)
    assert 0.4 < measured["accuracy"]["held_out"] < measured["accuracy"]["training"]


def test_the_classes_together_are_the_images(tmp_path):
    """The law of total covariance, exact but for the rounding of the basis and of the correlations."""
    assert built(tmp_path, labeled(), rank=4)["measured"]["total_covariance_error"] < 1e-3


def test_moments_of_other_images_are_refused(tmp_path):
    cifar10_moments.build(labeled(60, seed=3).images, tmp_path, "official", leading=8, rank=20)
    with pytest.raises(ArtifactError, match=r"was built from other images; build it from these first: `python -m workbench"):
        classes_of(labeled(), tmp_path, 6)


def test_a_class_without_variance_is_refused():
    with pytest.raises(ValueError, match="has no variance in some direction"):
        pack(torch.ones(1).double(), torch.zeros(1, 2).double(), torch.diag_embed(torch.tensor([[1.0, 0.0]])).double())
    with pytest.raises(ArtifactError, match="not class moments"):
        unpack(b"something else", ("a",))


def test_command_line(tmp_path, monkeypatch, capsys):
    asked, train = [], labeled()
    cifar10_moments.build(train.images, tmp_path, "jpeg-copy", leading=8, rank=20)
    monkeypatch.setattr(wb.data, "cifar10", lambda split, root: asked.append((split, root)) or train)
    start(cifar10_classes, monkeypatch, "--data", "somewhere", "--source", "jpeg-copy", "--out", str(tmp_path))
    assert asked == [("train", "somewhere"), ("test", "somewhere")]
    assert "cifar10-classes.safetensors" in capsys.readouterr().out
    assert "JPEG" in wb.artifacts.describe(NAME, tmp_path)["source"]


# The shipped classes


def test_the_shipped_file():
    entry, stored = wb.artifacts.describe(NAME), wb.artifacts.load(NAME)
    assert entry["bytes"] <= 1_000_000
    assert entry["measured"]["basis_sha256"] == wb.artifacts.describe("cifar10-moments")["sha256"]
    assert stored.names == wb.data.cifar.CLASSES and stored.rank == 256
    assert stored.frequencies.tolist() == [0.1] * 10
    assert stored.values.min() > 0.04
    assert all(row["excess_worst_class"] < 0.11 for row in entry["measured"]["errors_by_sigma"].values())
    assert entry["measured"]["errors_by_sigma"]["1.0"]["excess_worst_class"] < 0.02
    assert min(entry["measured"]["captured_variance"].values()) > 0.94
    assert 0.5 < entry["measured"]["accuracy"]["held_out"] < entry["measured"]["accuracy"]["training"]


def test_the_ten_together_have_the_mean_and_the_covariance_of_all():
    stored, moments = wb.artifacts.load(NAME), wb.artifacts.load("cifar10-moments")
    mean = stored.frequencies @ stored.means
    torch.testing.assert_close(mean, moments.mean.flatten() @ moments.vectors[:, :256], rtol=0, atol=1e-6)
    between = (stored.means - mean).T @ (stored.means - mean) / 10
    total = sum(stored.covariance(k) for k in range(10)) / 10 + between
    size = moments.values[:256].sqrt()
    assert ((total - torch.diag(moments.values[:256])) / torch.outer(size, size)).abs().max() < 1e-4


def test_the_character():
    vp = wb.schedules.VP()
    law, x = wb.characters.classes(vp), wb.characters.nine(vp, 0.4)
    assert law.shape == (3, 32, 32) and law.schedule == vp
    shares = law.responsibilities(x, 0.4)
    average = sum(shares[:, k].view(-1, 1, 1, 1) * wb.characters.one_class(vp, k).data(x, 0.4) for k in range(10))
    torch.testing.assert_close(law.data(x, 0.4), average, rtol=0, atol=1e-5)
    nine = wb.characters.one_class(vp, range(9))
    alone = torch.cat([wb.characters.one_class(vp, k).data(x[k : k + 1], 0.4) for k in range(9)])
    torch.testing.assert_close(nine.data(x, 0.4), alone, rtol=0, atol=1e-5)
    drawn = law.sample(200, generator=torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(wb.characters.cifar10(vp).mean.mean().item(), abs=0.1)
    assert wb.characters.classes(vp, 300).outside.covariance.rank == 300
    with pytest.raises(ValueError, match="r at most 200"):
        wb.characters.classes(vp, 200)


def test_draws_of_a_class_are_recognized():
    """On its own draws the mixture is a better classifier than on images, which are no Gaussians."""
    ve = wb.schedules.VE()
    labels = [k for k in range(10) for _ in range(12)]
    x = wb.characters.one_class(ve, labels, 256).sample(120, generator=torch.Generator().manual_seed(0))
    guess = wb.characters.classes(ve, 256).responsibilities(x, 0.01).argmax(1)
    assert (guess == torch.tensor(labels)).double().mean().item() > 0.9
