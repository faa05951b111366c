"""The stand-in images: packed without loss, drawn image by image, and described."""

from types import SimpleNamespace

import pytest
import torch
from small_images import pixels, start

import workbench as wb
from workbench.artifacts import ArtifactError, stand_in_images
from workbench.artifacts.manifest import publish
from workbench.artifacts.stand_in import StandIns, pack, unpack

NAMES = ("disk", "star")
ENTRY = {"sha256": "0" * 64, "measured": {"words": "a mixture of two Gaussians"}}


def mixture():
    """A class-conditional model whose classes are told apart by their color."""
    means = torch.stack([torch.full((3, 4, 4), value, dtype=torch.float64) for value in (-0.5, 0.5)])
    return wb.gaussian.MixtureDenoiser([0.5, 0.5], means, 0.01, wb.schedules.VE())


def draw(folder, **options):
    settings = {"number": 6, "steps": 6, "shape": (3, 4, 4), "names": NAMES, "seed": 0} | options
    return stand_in_images.build(mixture(), folder, ENTRY, "official", training=pixels(40), held_out=pixels(9, seed=1), **settings)


@pytest.mark.parametrize("kind", ["smooth", "random", "extreme"])
def test_every_bit_comes_back(kind):
    images = {
        "smooth": pixels(30, (3, 5, 7)),
        "random": torch.randint(0, 256, (9, 3, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
        "extreme": torch.tensor([0, 255], dtype=torch.uint8).repeat(3 * 4 * 4).view(2, 3, 4, 4),
    }[kind]
    labels = torch.arange(len(images)) % 2
    found = unpack(pack(images, labels), NAMES, "words")
    assert isinstance(found, StandIns) and torch.equal(found.images, images) and torch.equal(found.labels, labels)
    assert found.names == NAMES and found.summary == "words" and len(found) == len(images)


def test_smooth_images_become_smaller():
    ramp = torch.arange(16).view(1, 1, 1, 16) + torch.arange(16).view(1, 1, 16, 1) + torch.arange(40).view(40, 1, 1, 1)
    images = ramp.expand(40, 3, 16, 16).to(torch.uint8)
    assert len(pack(images, torch.zeros(40).long())) < images.numel() / 20


def test_other_bytes_are_refused():
    with pytest.raises(ArtifactError, match="no images in safetensors form"):
        unpack(b"something else", NAMES, "")


def test_a_build_says_what_it_is_and_loads(tmp_path):
    entry = draw(tmp_path, guidance=1.5, steps=16)
    found = wb.artifacts.load("stand-in-images", tmp_path)
    assert found.labels.tolist() == [0, 1] * 3 and found.names == NAMES
    brightness = found.images.double().mean((1, 2, 3))
    assert ((brightness > 127.5) == (found.labels == 1)).all()
    assert (
        "6 samples of cifar10-denoiser" in found.summary
        and "guidance 1.5" in found.summary
        and "not CIFAR-10 images" in found.summary
    )
    assert entry["measured"]["network"] == "a mixture of two Gaussians" and "--guidance 1.5" in entry["command"]
    command = "python -m workbench.artifacts.stand_in_images --data FOLDER --source official --number 6"
    assert wb.artifacts.rebuild("stand-in-images", tmp_path).startswith(command)
    assert entry["measured"]["memorized"] == 0 and 0 < entry["measured"]["nearest_ratio"]["least"] < 1


def test_ratios_of_distances():
    training = torch.randint(0, 256, (50, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    copy = training[7].clone()
    copy[0, 0, 0] ^= 1
    images = torch.cat([copy[None], pixels(5)])
    distance = torch.cdist(images.flatten(1).double(), training.flatten(1).double()).sort(1).values
    expected = distance[:, 0] / distance[:, 1]
    for chunk in (7, 5000):
        found = stand_in_images.nearest_ratios(images, training, chunk)
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    assert found[0] < 0.01 and found[1:].min() > 1 / 3


def test_each_image_has_a_seed_of_its_own(tmp_path):
    draw(tmp_path)
    whole = wb.artifacts.load("stand-in-images", tmp_path).images
    draw(tmp_path, batch=4, number=2, seed=2)
    assert (wb.artifacts.load("stand-in-images", tmp_path).images.int() - whole[2:4].int()).abs().max() <= 1
    rho = 80 * torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    end = wb.solve(mixture().given([0]), rho, wb.grids.karras(wb.schedules.VE(), 6, stop=0.0), wb.solvers.Heun()).x
    assert (end.add(1).mul(127.5).round() - whole[2]).abs().max() <= 1


@pytest.mark.parametrize("number", [0, 7])
def test_classes_must_come_out_equal(tmp_path, number):
    with pytest.raises(ValueError, match=f"positive multiple of 2 images, so that all classes are equal, got {number}"):
        draw(tmp_path, number=number)


def test_command_line(tmp_path, monkeypatch, capsys):
    """A network of no depth, in a folder of one's own."""
    net = wb.nets.UNet(widths=(16,), blocks=1, inputs=6, classes=10, generator=torch.Generator().manual_seed(0))
    content = wb.artifacts.networks.pack(net, preconditioning="gaussian", rank=16, shows_base=True)
    about = {"words": "untrained"}
    publish(
        "cifar10-denoiser",
        content,
        tmp_path,
        file="net.safetensors",
        kind="denoiser",
        source="jpeg-copy",
        command="none",
        measured=about,
    )
    monkeypatch.setenv("WORKBENCH_ARTIFACTS", str(tmp_path))
    asked, few = [], SimpleNamespace(images=pixels(20, (3, 32, 32)))
    monkeypatch.setattr(wb.data, "cifar10", lambda split, root: asked.append((split, root)) or few)
    options = ("--data", "somewhere", "--source", "jpeg-copy", "--number", "10", "--steps", "2", "--out", str(tmp_path))
    start(stand_in_images, monkeypatch, *options)
    assert asked == [("train", "somewhere"), ("test", "somewhere")]
    assert "stand-in-images.safetensors" in capsys.readouterr().out
    found = wb.artifacts.load("stand-in-images")
    assert found.images.shape == (10, 3, 32, 32) and found.labels.tolist() == list(range(10))
    assert found.names == wb.data.cifar.CLASSES and wb.artifacts.describe("stand-in-images")["measured"]["network"] == "untrained"
