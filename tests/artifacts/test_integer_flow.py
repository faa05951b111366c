"""The codec for small pictures: what is built loads and codes as it was trained, bad files are refused, and the shipped one keeps its word."""

import pytest
import torch
from safetensors.torch import save
from tiny_training import images

import workbench as wb
from workbench.artifacts import ArtifactError, integer_flow
from workbench.quantizers import integer_flows as flows
from workbench.quantizers.integer_flows.yardsticks import halved

STEPS = {"floats": 4, "gates": 3, "activations": 2, "weights": 2}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codec")
    x, other = images(40, 16, 0), images(12, 16, 1)
    return folder, other, integer_flow.build(x, other, folder, "jpeg-copy", steps=STEPS, batch=8, width=16, hardware="a test")


def test_what_is_built_loads_and_codes(built):
    folder, other, entry = built
    found, small = wb.artifacts.load("integer-flow", folder), halved(other)
    assert torch.equal(found["codec"].decode(found["codec"].encode(small)), small) and found["codec"].portable
    about = entry["measured"]["bits_per_dimension"]
    assert about["thin"] == found["floats"].bits_per_dimension(small)
    assert about["whole"] == found["codec"].flow.bits_per_dimension(small)
    assert about["tables"] == found["codec"].bits_per_dimension(small)
    assert {"linear", "floats", "gates", "activations", "weights", "gaussian", "zlib", "lzma", "PNG"} <= set(about)
    assert entry["measured"]["held_out"] == 12 and entry["measured"]["hardware"] == "a test"
    assert entry["measured"]["filters_left"] == flows.filters(found["floats"]) <= entry["measured"]["filters"] == 15 * 2 * 16


def test_the_codec_reads_what_the_one_before_storing_wrote(built):
    folder, other, _ = built
    codec = wb.artifacts.load("integer-flow", folder)["codec"]
    again = integer_flow.unpack(integer_flow.pack(wb.artifacts.load("integer-flow", folder)["floats"], codec))["codec"]
    assert again.model == codec.model
    small = halved(other)[:2]
    assert torch.equal(again.decode(codec.encode(small)), small)


def test_the_gaussian_code_of_a_gaussian():
    """Independent pixels of standard deviation s: log2(s sqrt(2 pi e)) bits each, up to the rounding that both sides share."""
    generator = torch.Generator().manual_seed(0)
    x, y = ((128 + 20 * torch.randn(n, 1, 2, 2, generator=generator)).round().clamp(0, 255).to(torch.uint8) for n in (4000, 4000))
    expected = 0.5 * torch.tensor(2 * torch.pi * torch.e * (400 + 2 / 12)).log2()
    assert integer_flow.gaussian_bits(x, y) == pytest.approx(float(expected), abs=0.02)


def test_what_cannot_be_built_or_read(tmp_path):
    with pytest.raises(ValueError, match="squares whose side 4 divides"):
        integer_flow.build(images(4, 18, 0), images(4, 18, 0), tmp_path, "jpeg-copy")
    for content in (b"nonsense", save({"shape": torch.tensor([3, 16, 16])})):
        with pytest.raises(ArtifactError, match="no integer flow"):
            integer_flow.unpack(content)


def test_the_shipped_codec():
    """On the stand-in images: lossless, shorter than everyday formats, and little longer than floats."""
    found, about = wb.artifacts.load("integer-flow"), wb.artifacts.describe("integer-flow")
    assert about["bytes"] < 1_000_000
    x = halved(wb.artifacts.load("stand-in-images").images[:24])
    content = found["codec"].encode(x)
    assert torch.equal(found["codec"].decode(content), x)
    assert len(content) <= found["codec"].most_bytes(x)
    recorded = about["measured"]["bits_per_dimension"]
    assert recorded["tables"] < min(recorded["PNG"], recorded["lzma"], recorded["zlib"])
    assert 0 < recorded["whole"] - recorded["thin"] < 0.15
    assert recorded["tables"] - recorded["whole"] < 0.02
