"""The classifier's files: built end to end from small images, and the shipped ones."""

import pytest
import torch
from small_images import pixels

import workbench as wb
from workbench.artifacts import ArtifactError, cifar10_classifier, features
from workbench.metrics import FeatureStatistics, frechet_distance
from workbench.nets import train_classifier


def few(n, seed):
    images = torch.nn.functional.interpolate(pixels(n, seed=seed).float(), size=(32, 32)).to(torch.uint8)
    return wb.data.Cifar10(images, torch.arange(n) % 2, ("a", "b"))


def test_from_training_to_loading(tmp_path, monkeypatch, capsys):
    train, test = few(40, 0), few(20, 1)
    settings = train_classifier.Settings(epochs=1, batch=20, widths=(8,))
    net, _ = train_classifier.train(train, test, settings, tmp_path / "run.pt")
    monkeypatch.setattr(wb.data, "cifar10", lambda split, root: {"train": train, "test": test}[split])
    command = ["--data", "x", "--source", "jpeg-copy", "--checkpoint", str(tmp_path / "run.pt"), "--out", str(tmp_path)]
    cifar10_classifier.main(command)
    assert "cifar10-features.safetensors" in capsys.readouterr().out
    stored, sets = (wb.artifacts.load(f"cifar10-{name}", tmp_path) for name in ("classifier", "features"))
    x = test.floats()
    torch.testing.assert_close(stored(x), net(x), rtol=0, atol=2e-2)
    exact = FeatureStatistics.of(stored.features(x))
    torch.testing.assert_close(sets["test"].covariance, exact.covariance, rtol=1e-5, atol=1e-6)
    assert sets["test"].count == 20 and sets["train"].count == 40
    measured = wb.artifacts.describe("cifar10-features", tmp_path)["measured"]
    args = (sets["test"].mean, sets["test"].covariance, sets["train"].mean, sets["train"].covariance)
    assert measured["frechet_test_to_train"] == pytest.approx(frechet_distance(*args), rel=1e-3, abs=1e-5)
    assert wb.artifacts.describe("cifar10-classifier", tmp_path)["measured"]["accuracy"]["test"] == pytest.approx(
        train_classifier.accuracy(stored, test.images, test.labels)
    )
    assert "test images" in wb.artifacts.summary("cifar10-classifier", tmp_path)


def test_other_bytes_are_refused():
    with pytest.raises(ArtifactError, match="not feature statistics"):
        features.unpack(b"something else")


# The shipped files


def test_the_shipped_classifier():
    entry, net = wb.artifacts.describe("cifar10-classifier"), wb.artifacts.load("cifar10-classifier")
    assert entry["bytes"] <= 4_000_000 and entry["measured"]["parameters"] <= 2_000_000
    assert entry["measured"]["accuracy"]["test"] >= 0.85
    assert entry["measured"]["images_sha256"] == wb.artifacts.describe("cifar10-moments")["measured"]["images_sha256"]
    assert net.features(torch.zeros(1, 3, 32, 32)).shape == (1, 128)
    assert not any(p.requires_grad for p in net.parameters()) and not net.training


def test_the_shipped_features():
    entry, sets = wb.artifacts.describe("cifar10-features"), wb.artifacts.load("cifar10-features")
    assert entry["measured"]["classifier_sha256"] == wb.artifacts.describe("cifar10-classifier")["sha256"]
    assert {name: one.count for name, one in sets.items()} == {"train": 50_000, "test": 10_000}
    for one in sets.values():
        assert torch.linalg.eigvalsh(one.covariance)[0] > 0
    distance = frechet_distance(sets["test"].mean, sets["test"].covariance, sets["train"].mean, sets["train"].covariance)
    assert distance == pytest.approx(entry["measured"]["frechet_test_to_train"], rel=1e-3)
    assert distance < 0.02 * entry["measured"]["total_variance"], "test and training images are nearly alike"


def test_a_gaussian_law_of_images_is_far_from_the_images():
    """Pictures with the right mean and covariance of pixels are no pictures: their features differ far more than test from training."""
    sets, net = wb.artifacts.load("cifar10-features"), wb.artifacts.load("cifar10-classifier")
    law = wb.characters.cifar10(wb.schedules.VE())
    made = law.sample(300, 0.0, generator=torch.Generator().manual_seed(0)).float()
    found = wb.metrics.frechet_estimate(net.features(made), sets["train"])
    near = wb.artifacts.describe("cifar10-features")["measured"]["frechet_test_to_train"]
    assert found.value - 4 * found.standard_error > 5 * near
