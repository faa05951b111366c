"""The CIFAR-10 loader on an archive of 24 images that these tests make and serve."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_cifar import EACH, FOLDER, NAMES, plain_members, records, spec_for, tar_gz

import workbench as wb
from workbench.data import ArchiveError, DownloadError, cifar10, to_bytes, to_floats

CONTENT = tar_gz(plain_members())


@pytest.fixture
def unpacked(tmp_path):
    (tmp_path / FOLDER).mkdir()
    for seed, name in enumerate(NAMES):
        (tmp_path / FOLDER / name).write_bytes(records(seed).tobytes())
    return tmp_path


def test_download_unpack_read(serve, tmp_path):
    site = serve(CONTENT)
    spec = replace(spec_for(CONTENT), url=site.url)
    train = cifar10("train", tmp_path, progress=False, archive=spec)
    rows = np.concatenate([records(seed) for seed in range(5)])
    assert train.images.dtype == torch.uint8
    assert train.labels.dtype == torch.int64
    assert np.array_equal(train.images.numpy(), rows[:, 1:].reshape(-1, 3, 32, 32))
    assert np.array_equal(train.labels.numpy(), rows[:, 0])
    test = cifar10("test", tmp_path, progress=False, archive=spec)
    assert np.array_equal(test.images.numpy().reshape(EACH, -1), records(5)[:, 1:])
    assert len(train) == 5 * EACH
    assert site.requests == [None]


def test_the_third_pixel_of_the_second_row_of_green(unpacked):
    """The layout, by hand: 1 label, then 1024 red, then green row by row."""
    image = cifar10("train", unpacked, archive=spec_for(CONTENT)).images[2]
    assert image[1, 1, 2] == records(0)[2, 1 + 1024 + 32 + 2]


def test_the_unpacked_folder_itself_may_be_given(unpacked):
    inside = cifar10("test", unpacked / FOLDER, download=False, archive=spec_for(CONTENT))
    assert torch.equal(inside.images, cifar10("test", str(unpacked), download=False, archive=spec_for(CONTENT)).images)


def test_the_environment_names_the_folder(unpacked, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", str(unpacked))
    assert len(cifar10("train", download=False, archive=spec_for(CONTENT))) == 5 * EACH


def test_without_root_or_environment_it_is_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert wb.data.data_root() == tmp_path / ".cache" / "workbench"


def test_an_archive_put_there_by_hand_is_used_without_network(tmp_path):
    (tmp_path / "tiny.tar.gz").write_bytes(CONTENT)
    assert len(cifar10("test", tmp_path, download=False, archive=spec_for(CONTENT))) == EACH


def test_floats_cover_minus_one_to_one(unpacked):
    data = cifar10("train", unpacked, archive=spec_for(CONTENT))
    floats = data.floats()
    assert floats.dtype == torch.float32
    assert floats.min() == -1
    assert floats.max() == 1
    torch.testing.assert_close((data.floats(torch.float64) + 1) * 127.5, data.images.double())
    assert data.classes[3] == "cat"
    assert len(data.classes) == 10


def test_absent_data_says_where_to_put_it(tmp_path):
    spec = spec_for(CONTENT)
    with pytest.raises(FileNotFoundError) as caught:
        cifar10("train", tmp_path, download=False, archive=spec)
    for part in (spec.url, spec.md5, str(tmp_path / "tiny.tar.gz")):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_leaves_nothing_that_would_be_used(serve, tmp_path):
    spec = replace(spec_for(CONTENT), url=serve(CONTENT[:1000]).url)
    for _ in range(2):
        with pytest.raises(DownloadError):
            cifar10("train", tmp_path, progress=False, archive=spec)
    assert not (tmp_path / FOLDER).exists()
    good = replace(spec, url=serve(CONTENT).url)
    assert len(cifar10("train", tmp_path, progress=False, archive=good)) == 5 * EACH


def test_concurrent_calls_download_once_and_agree(serve, tmp_path):
    site = serve(CONTENT)
    spec = replace(spec_for(CONTENT), url=site.url)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(cifar10("train", tmp_path, progress=False, archive=spec))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == 6
    assert all(torch.equal(result.images, results[0].images) for result in results)
    assert site.requests == [None]


def test_a_label_out_of_range_is_refused(unpacked):
    rows = records(2)
    rows[1, 0] = 10
    (unpacked / FOLDER / NAMES[2]).write_bytes(rows.tobytes())
    with pytest.raises(ArchiveError, match=r"record 1 of .*data_batch_3.bin has label 10"):
        cifar10("train", unpacked, archive=spec_for(CONTENT))
    assert len(cifar10("test", unpacked, archive=spec_for(CONTENT))) == EACH


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_an_incomplete_folder_is_refused(unpacked, change):
    change(unpacked / FOLDER / NAMES[4])
    with pytest.raises(ArchiveError, match=r"data_batch_5.bin has \d+ bytes"):
        cifar10("train", unpacked, archive=spec_for(CONTENT))


@pytest.mark.parametrize("split", ["validation", "", "Train"])
def test_an_unknown_split_is_refused(split, tmp_path):
    with pytest.raises(ValueError, match='must be "train" or "test"'):
        cifar10(split, tmp_path)


def test_the_official_archive_is_described_consistently():
    spec = wb.data.CIFAR10_ARCHIVE
    assert spec.filename == "cifar-10-binary.tar.gz"
    assert [name for name, _ in spec.files] == NAMES
    assert sum(size for _, size in spec.files) == 60_000 * 3073
    assert len(spec.md5) == 32


def test_toys_and_cifar10_are_reached_from_the_package():
    assert wb.data.toys.eight_gaussians(5, generator=torch.Generator().manual_seed(0)).shape == (5, 2)
    assert wb.data.cifar10 is cifar10


def test_bytes_are_the_nearest_pixels_and_come_back():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(to_floats(pixels)), pixels)
    for shift in (-0.49, 0.49):  # of a pixel's width
        assert torch.equal(to_bytes(to_floats(pixels) + shift * 2 / 255), pixels)
    assert to_bytes(torch.tensor([-7.0, -1.0, 0.0, 1.0, 1.5])).tolist() == [0, 0, 128, 255, 255]
    images = torch.linspace(-1, 1, 1001, requires_grad=True)
    assert (to_floats(to_bytes(images)) - images).abs().max() <= 1 / 255 + 1e-6
