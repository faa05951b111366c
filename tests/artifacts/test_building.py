"""Building the artifacts from small images whose moments and posterior are computed independently with numpy."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_images import pixels, start

import workbench as wb
from workbench.artifacts import cifar10_facts, cifar10_moments
from workbench.artifacts.covariance import approximation_errors, denoising_error, eigenpairs, exact_moments
from workbench.artifacts.empirical import posterior_mean
from workbench.artifacts.moments import Moments, pack, unpack
from workbench.data import ArchiveSpec


def as_numpy(images):
    return images.numpy().reshape(len(images), -1) / 127.5 - 1


def test_moments_agree_with_numpy_and_do_not_depend_on_the_chunk():
    images = pixels()
    mean, covariance = exact_moments(images.flatten(1))
    np.testing.assert_allclose(mean, as_numpy(images).mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(covariance, np.cov(as_numpy(images).T, bias=True), atol=1e-14)
    for chunk in (1, 7, 60):
        again = exact_moments(images.flatten(1), chunk)
        assert torch.equal(again[0], mean)
        assert torch.equal(again[1], covariance)


def test_moments_are_exact_integers_until_the_last_division():
    images = pixels(n=500)
    _, covariance = exact_moments(images.flatten(1))
    x = images.flatten(1).numpy().astype(object)
    first, second = x.sum(axis=0), x.T @ x
    exact = (500 * second - np.outer(first, first)) / (127.5 * 500) ** 2
    assert np.array_equal(covariance.numpy(), exact.astype(float))


@pytest.mark.parametrize("count", [0, 400_000])
def test_counts_without_exact_sums_are_refused(count):
    with pytest.raises(ValueError, match="images; exact sums need"):
        exact_moments(torch.zeros(count, 1, dtype=torch.uint8))


def test_moments_through_the_loader_from_a_folder_in_cifar_layout(tmp_path):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, (20, 3073), dtype=np.uint8)
    rows[:, 0] %= 10
    names = [f"data_batch_{index}.bin" for index in range(1, 6)]
    for name, part in zip(names, np.split(rows, 5), strict=True):
        (tmp_path / name).write_bytes(part.tobytes())
    spec = ArchiveSpec("http://127.0.0.1:1/x", 1, "", "x", train=tuple((name, 4 * 3073) for name in names), test=())
    mean, covariance = exact_moments(wb.data.cifar10("train", tmp_path, archive=spec).images.flatten(1))
    x = rows[:, 1:] / 127.5 - 1
    np.testing.assert_allclose(mean, x.mean(axis=0), atol=1e-14)
    some = rng.choice(3072, 300, replace=False)
    np.testing.assert_allclose(covariance[some][:, some], np.cov(x[:, some].T, bias=True), atol=1e-13)


def test_eigenpairs_decrease_rebuild_the_covariance_and_have_a_fixed_sign():
    _, covariance = exact_moments(pixels().flatten(1))
    values, vectors = eigenpairs(covariance)
    assert (values.diff() <= 0).all()
    torch.testing.assert_close(vectors * values @ vectors.T, covariance, rtol=0, atol=1e-13)
    assert (vectors.gather(0, vectors.abs().argmax(dim=0)[None]) > 0).all()
    mirrored = torch.diag(torch.tensor([1.0, -1.0, 1.0, -1.0] * 12, dtype=torch.float64))
    flipped = eigenpairs(mirrored @ covariance @ mirrored)[1]
    torch.testing.assert_close(flipped.abs()[:, :6], vectors.abs()[:, :6], rtol=0, atol=1e-8)
    assert (flipped.gather(0, flipped.abs().argmax(dim=0)[None]) > 0).all()


def test_a_tie_for_the_largest_entry_is_settled_by_position():
    values = torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64))
    turn = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64) / 2**0.5
    vectors = eigenpairs(turn @ values @ turn.T)[1]
    assert (vectors[0] > 0).all()


@pytest.mark.parametrize(("leading", "rank"), [(8, 20), (0, 20), (20, 20), (48, 48)])
def test_pack_and_unpack(leading, rank):
    mean, covariance = exact_moments(pixels().flatten(1))
    values, vectors = eigenpairs(covariance)
    original = Moments(mean.reshape(3, 4, 4), values, vectors[:, :rank], 60)
    back = unpack(pack(original, leading))
    assert torch.equal(back.mean, original.mean)
    assert torch.equal(back.spectrum, original.spectrum)
    assert back.count == 60
    torch.testing.assert_close(back.vectors.T @ back.vectors, torch.eye(rank, dtype=torch.float64), rtol=0, atol=1e-13)
    error = (back.vectors - original.vectors).norm(dim=0)
    assert (error[:leading] < 1e-4).all()
    assert (error < 0.02).all()
    assert error.max() > 0


def test_building_writes_what_loading_reads(tmp_path):
    images = pixels()
    entry = cifar10_moments.build(images, tmp_path, "official", leading=8, rank=20)
    loaded = wb.artifacts.load("cifar10-moments", tmp_path)
    expected = np.cov(as_numpy(images).T, bias=True)
    np.testing.assert_allclose(loaded.spectrum, np.linalg.eigvalsh(expected)[::-1].clip(0), atol=1e-13)
    low_rank = loaded.vectors * (loaded.values - loaded.floor()) @ loaded.vectors.T
    rebuilt = low_rank + loaded.floor() * torch.eye(48, dtype=torch.float64)
    np.testing.assert_allclose(rebuilt, expected, atol=2e-3 * expected.max())
    assert entry["measured"]["trace"] == pytest.approx(np.trace(expected))
    assert "official" in entry["command"]
    assert "official binary archive" in entry["source"]
    content = (tmp_path / entry["file"]).read_bytes()
    assert cifar10_moments.build(images, tmp_path, "official", leading=8, rank=20)["sha256"] == entry["sha256"]
    assert (tmp_path / entry["file"]).read_bytes() == content


def test_expected_errors_agree_with_sampling():
    """The closed-form cost of few, rounded eigenvectors against a Monte Carlo average over noisy Gaussian points."""
    mean, covariance = exact_moments(pixels().flatten(1))
    values, vectors = eigenpairs(covariance)
    stored = unpack(pack(Moments(mean.reshape(3, 4, 4), values, vectors[:, :5], 60), 2))
    sigma, n = 0.1, 20_000
    errors = approximation_errors(values, vectors.T @ stored.vectors, sigma)
    rng = torch.Generator().manual_seed(0)
    eps = torch.randn(2, n, 48, generator=rng, dtype=torch.float64)
    x0 = (eps[0] * values.sqrt()) @ vectors.T
    x = x0 + sigma * eps[1]
    exact = x @ vectors * (values / (values + sigma**2)) @ vectors.T
    inside = x @ stored.vectors
    floor = stored.floor() / (stored.floor() + sigma**2)
    approximate = floor * x + inside * (stored.values / (stored.values + sigma**2) - floor) @ stored.vectors.T
    least = (exact - x0).square().sum(dim=1).mean()
    difference = (approximate - exact).square().sum(dim=1).mean()
    assert least.item() / 48 == pytest.approx(denoising_error(values, sigma), rel=0.02)
    assert errors["excess"] == pytest.approx((difference / least).item(), rel=0.05)
    score = (x - exact).square().sum(dim=1).mean()
    assert errors["score"] == pytest.approx((difference / score).item(), rel=0.05)
    assert 0 < errors["excess_rounding"] < errors["excess"]


def test_exact_full_rank_vectors_cost_nothing():
    values, vectors = eigenpairs(exact_moments(pixels().flatten(1))[1])
    errors = approximation_errors(values, vectors.T @ vectors, 0.3)
    assert max(errors.values()) < 1e-20


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_posterior_mean_agrees_with_the_plain_formula(sigma):
    images = pixels(n=40)
    rng = torch.Generator().manual_seed(0)
    x0 = torch.from_numpy(as_numpy(images))
    noisy = x0[:9] + sigma * torch.randn(9, 48, generator=rng, dtype=torch.float64)
    weights = torch.softmax(-(noisy[:, None] - x0).square().sum(dim=-1) / (2 * sigma**2), dim=1)
    for chunk in (1, 7, 100):
        mean, neighbors = posterior_mean(noisy, images.flatten(1), x0.mean(dim=0), sigma, chunk)
        torch.testing.assert_close(mean, weights @ x0, rtol=0, atol=1e-9)
        torch.testing.assert_close(neighbors, 1 / weights.square().sum(dim=1), rtol=1e-8, atol=0)


def test_facts_of_small_images(tmp_path):
    images = pixels()
    cifar10_facts.build(images, tmp_path, "official", points=30, sigmas=(0.3, 20.0))
    facts = wb.artifacts.load("cifar10-facts", tmp_path)
    x = as_numpy(images)
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    assert facts["variance"]["trace"] == pytest.approx(values.sum())
    share = np.cumsum(values) / values.sum()
    assert facts["variance"]["components_for_share"]["0.9"] == np.searchsorted(share, 0.9) + 1
    assert facts["variance"]["second_moment_per_dimension"] == pytest.approx((x**2).mean())
    np.testing.assert_allclose(facts["variance"]["channel_means_0_to_1"], images.double().mean(dim=(0, 2, 3)) / 255, rtol=1e-12)
    near, far = facts["gaussian_against_training_set"]
    assert near["score_explained_variance"] < 0.999
    assert far["score_explained_variance"] == pytest.approx(1, abs=1e-4)
    assert far["neighbors_mean"] == pytest.approx(60, rel=0.05)
    assert 1 <= near["neighbors_median"] < 60


@pytest.mark.parametrize(
    ("builder", "file"),
    [(cifar10_moments, "cifar10-moments.safetensors"), (cifar10_facts, "cifar10-facts.json")],
    ids=["moments", "facts"],
)
def test_command_line(builder, file, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(wb.data, "cifar10", lambda split, root: asked.append((split, root)) or SimpleNamespace(images=pixels()))
    start(builder, monkeypatch, "--data", "somewhere", "--source", "jpeg-copy", "--out", str(tmp_path))
    assert asked == [("train", "somewhere")]
    assert file in capsys.readouterr().out
    (entry,) = json.loads((tmp_path / "manifest.json").read_text()).values()
    assert "JPEG" in entry["source"]
    assert (tmp_path / file).exists()


@pytest.mark.parametrize("builder", [cifar10_moments, cifar10_facts])
def test_the_command_line_insists_on_the_source(builder, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        start(builder, monkeypatch, "--out", str(tmp_path))
    assert "--source" in capsys.readouterr().err
