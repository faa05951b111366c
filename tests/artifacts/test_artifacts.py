"""The shipped artifacts: verified before use, refused with a remedy when damaged, small, and what the manifest says."""

import json
import shutil

import pytest
import torch

import workbench as wb
from workbench.artifacts import ArtifactError
from workbench.artifacts.manifest import FIELDS, FOLDER, add_measured, publish, read_manifest

MOMENTS = "cifar10-moments"
FACTS = "cifar10-facts"


@pytest.fixture(scope="module")
def moments():
    return wb.artifacts.load(MOMENTS)


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped folder that a test may damage."""
    for name in ("manifest.json", *(entry["file"] for entry in read_manifest().values())):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def test_every_available_artifact_loads():
    assert {MOMENTS, FACTS} <= set(wb.artifacts.available())
    for name in wb.artifacts.available():
        assert wb.artifacts.load(name) is not None


@pytest.mark.parametrize("name", wb.artifacts.available())
def test_manifest_entries_are_complete(name):
    entry = wb.artifacts.describe(name)
    assert set(entry) == set(FIELDS)
    assert all(entry[field] for field in FIELDS)
    assert entry["command"] == wb.artifacts.rebuild(name)
    assert entry["command"].startswith(("python -m workbench.", "python -m benchmarks."))
    assert (FOLDER / entry["file"]).stat().st_size == entry["bytes"]


@pytest.mark.parametrize("name", [MOMENTS, FACTS])
def test_the_jpeg_origin_is_stated(name):
    entry = wb.artifacts.describe(name)
    assert "JPEG" in entry["source"]
    assert "Nothing measured on it is a result on the original" in entry["claims"]


def test_moments_and_facts_fit_in_six_megabytes_together_with_the_manifest():
    total = sum(wb.artifacts.describe(name)["bytes"] for name in (MOMENTS, FACTS))
    assert total + (FOLDER / "manifest.json").stat().st_size <= 6_000_000


def test_moments_have_the_promised_shapes(moments):
    assert moments.mean.shape == (3, 32, 32)
    assert moments.spectrum.shape == (3072,)
    assert moments.vectors.shape == (3072, moments.rank)
    assert {moments.mean.dtype, moments.spectrum.dtype, moments.vectors.dtype} == {torch.float64}
    assert moments.count == 50_000
    assert moments.mean.abs().max() < 1


def test_eigenvectors_are_orthonormal(moments):
    gram = moments.vectors.T @ moments.vectors
    assert (gram - torch.eye(moments.rank, dtype=torch.float64)).abs().max() < 1e-12


def test_spectrum_decreases_and_the_floor_keeps_the_trace(moments):
    assert (moments.spectrum.diff() <= 0).all()
    assert moments.spectrum[-1] > 0
    for rank in (1, 100, moments.rank):
        kept = moments.spectrum[:rank].sum() + (3072 - rank) * moments.floor(rank)
        assert kept.item() == pytest.approx(moments.spectrum.sum().item(), rel=1e-12)
    assert moments.floor() == moments.floor(moments.rank)
    assert moments.floor(3072) == 0


def test_moments_are_those_of_cifar10(moments):
    """Channel statistics of CIFAR-10 as its users know them (three digits; the JPEG copy keeps those of the mean)."""
    means = (moments.mean.mean(dim=(1, 2)) + 1) / 2
    torch.testing.assert_close(means, torch.tensor([0.4914, 0.4822, 0.4465], dtype=torch.float64), atol=5e-4, rtol=0)
    second = (moments.mean.square().sum() + moments.spectrum.sum()) / 3072
    assert second.sqrt().item() == pytest.approx(0.5, abs=0.005)


def test_the_first_eigenvector_is_overall_brightness(moments):
    first = moments.vectors[:, 0]
    assert (first > 0).double().mean() > 0.99
    assert (first.sum() / 3072**0.5).item() > 0.9


def test_manifest_repeats_what_the_file_holds(moments):
    measured = wb.artifacts.describe(MOMENTS)["measured"]
    assert measured["trace"] == pytest.approx(moments.spectrum.sum().item(), rel=1e-12)
    assert measured["mean_norm_squared"] == pytest.approx(moments.mean.square().sum().item(), rel=1e-12)
    assert measured["captured_variance"] == pytest.approx((moments.values.sum() / moments.spectrum.sum()).item(), rel=1e-12)
    assert measured["floor"] == moments.floor()
    assert measured["rank"] == moments.rank


def test_storing_integers_costs_less_than_a_thousandth_of_the_denoising_error():
    errors = wb.artifacts.describe(MOMENTS)["measured"]["errors_by_sigma"]
    assert all(errors[sigma]["excess"] < 1e-3 for sigma in ("0.1", "0.2", "0.5", "1.0", "2.0", "5.0", "10.0"))
    assert all(row["excess_rounding"] <= row["excess"] for row in errors.values())


def test_truncation_keeps_the_leading_directions(moments):
    small = moments.truncated(10)
    assert torch.equal(small.vectors, moments.vectors[:, :10])
    assert small.floor() == moments.floor(10)
    assert small.values.shape == (10,)


@pytest.mark.parametrize("rank", [0, -1, 3072])
def test_impossible_truncations_are_refused(moments, rank):
    with pytest.raises(ValueError, match="must be between 1 and"):
        moments.truncated(rank)


@pytest.mark.parametrize("rank", [-1, 3073])
def test_impossible_floors_are_refused(moments, rank):
    with pytest.raises(ValueError, match="must be between 0 and 3072"):
        moments.floor(rank)


def test_facts_agree_with_the_shipped_spectrum(moments):
    """Facts and moments were made by two commands; everything that both can say must be the same."""
    facts = wb.artifacts.load(FACTS)
    assert facts["variance"]["trace"] == pytest.approx(moments.spectrum.sum().item(), rel=1e-9)
    for row in facts["denoising"]:
        variance = row["sigma"] ** 2
        least = (moments.spectrum * variance / (moments.spectrum + variance)).mean().item()
        assert row["gaussian_mse_per_dimension"] == pytest.approx(least, rel=1e-9)
        assert row["gaussian_mse_per_dimension"] < row["isotropic_mse_per_dimension"]
        assert row["modes_above_noise"] == (moments.spectrum > variance).sum().item()
    same = [wb.artifacts.describe(name)["measured"]["images_sha256"] for name in (MOMENTS, FACTS)]
    assert same[0] == same[1]


def test_recorded_comparison_rises_towards_large_noise():
    rows = wb.artifacts.load(FACTS)["gaussian_against_training_set"]
    score = [row["score_explained_variance"] for row in rows]
    assert score == sorted(score)
    assert 0.7 < score[0] < 0.9
    assert score[-1] > 0.9999
    neighbors = [row["neighbors_mean"] for row in rows]
    assert neighbors == sorted(neighbors)
    assert neighbors[0] == pytest.approx(1)


@pytest.mark.parametrize("name", [MOMENTS, FACTS])
@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "the manifest says"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "the manifest says"),
        (lambda path: path.write_bytes(b""), "has 0 bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\1"), "sha256"),
    ],
)
def test_damaged_files_are_refused_with_what_restores_them(copy, name, damage, complaint):
    assert wb.artifacts.load(name, copy) is not None
    damage(copy / wb.artifacts.describe(name)["file"])
    with pytest.raises(ArtifactError, match=complaint) as caught:
        wb.artifacts.load(name, copy)
    message = str(caught.value)
    assert message.index("Reinstall the package") < message.index(wb.artifacts.rebuild(name))
    assert "made from a JPEG copy" in message


def test_a_file_made_from_the_official_images_is_not_said_to_come_from_a_copy(tmp_path):
    publish("new", b"{}", tmp_path, file="new.json", kind="facts", source="official", command="make new", measured={"a": 1})
    (tmp_path / "new.json").unlink()
    with pytest.raises(ArtifactError, match="Reinstall the package.*`make new`") as caught:
        wb.artifacts.load("new", tmp_path)
    assert "JPEG" not in str(caught.value)


def test_unknown_names_and_missing_manifests_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match=rf"'cifar100-moments'; there are .*{MOMENTS}"):
        wb.artifacts.load("cifar100-moments")
    with pytest.raises(ArtifactError, match=r"no readable manifest.json"):
        wb.artifacts.load(MOMENTS, tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"no readable manifest.json"):
        wb.artifacts.available(tmp_path)


def test_a_kind_of_a_later_version_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest[FACTS]["kind"] = "hologram"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="hologram"):
        wb.artifacts.load(FACTS, copy)


def test_an_honest_hash_of_something_else_is_not_taken_for_moments(tmp_path):
    publish("odd", b"not safetensors", tmp_path, file="odd.bin", kind="moments", source="official", command="c", measured={})
    with pytest.raises(ArtifactError, match="not moments"):
        wb.artifacts.load("odd", tmp_path)


def test_what_is_measured_later_joins_the_entry(copy):
    before = read_manifest(copy)
    add_measured("cifar10-facts", copy, distance=[1.0])
    after = read_manifest(copy)
    assert after["cifar10-facts"]["measured"] == before["cifar10-facts"]["measured"] | {"distance": [1.0]}
    assert {**after, "cifar10-facts": 0} == {**before, "cifar10-facts": 0}
    with pytest.raises(ArtifactError, match="no artifact is called 'none'"):
        add_measured("none", copy, distance=[])


@pytest.mark.parametrize("name", ["cifar10-denoiser", "cifar10-dit"])
def test_the_manifest_states_how_a_network_was_made_and_what_it_is_worth(name):
    entry = wb.artifacts.describe(name, FOLDER)
    measured, run = entry["measured"], entry["measured"]["run"]
    assert measured["hardware"] and run["steps"] * run["batch"] == measured["images"] and run["seed"] == 0 and run["data_sha256"]
    assert all(error < gaussian for error, gaussian in zip(measured["error"], measured["gaussian_error"], strict=True))
    rows = [row for row in wb.artifacts.load("quality", FOLDER)["networks"] if row["name"] == name]
    assert [row["frechet"] for row in measured["distance"]] == [row["frechet"] for row in rows] and len(rows) == 2


def test_publishing_keeps_other_entries_and_leaves_no_temporary_file(copy):
    before = read_manifest(copy)
    publish("new", b"{}", copy, file="new.json", kind="facts", source="official", command="c", measured={"a": 1})
    assert {name: entry for name, entry in read_manifest(copy).items() if name != "new"} == before
    assert wb.artifacts.load("new", copy) == {}
    assert not [path for path in copy.iterdir() if path.name.startswith(".")]
