"""The codec: every input comes back bit for bit, in no more bytes than promised; damaged and foreign bytes are refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.quantizers import integer_flows as flows
from workbench.quantizers.integer_flows.codec import DTYPES, HEADER


@pytest.fixture(scope="module")
def codec(stages):
    return flows.Codec(stages["whole"])


def comes_back(codec, x):
    """Coded in any case, and stored where that is shorter."""
    coded, content = codec.encode(x, stored=False), codec.encode(x)
    for found in (coded, content):
        back = codec.decode(found)
        assert back.dtype == x.dtype and torch.equal(back, x)
    assert len(content) <= codec.most_bytes(x) <= HEADER.size + x.numel() * x.element_size()
    assert len(content) == min(len(coded), HEADER.size + x.numel() * x.element_size())
    return coded


def test_pictures_come_back_and_are_smaller(codec, stages):
    x = stages["x"]
    content = comes_back(codec, x)
    assert len(content) < 0.75 * x.numel()
    ideal = float(codec.bits(x).sum()) / 8 + HEADER.size
    assert ideal <= len(content) <= ideal + 7
    assert codec.bits_per_dimension(x) == pytest.approx(stages["whole"].bits_per_dimension(x), abs=0.03)


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_constant_and_extreme_numbers(codec, dtype, rng):
    info = torch.iinfo(dtype)
    low, high = max(info.min, -(2**62)), min(info.max, 2**62)
    shape = (2, 3, 8, 8)
    for x in (
        torch.randint(low, high, shape, generator=rng).to(dtype),
        torch.full(shape, info.max, dtype=dtype),
        torch.full(shape, info.min, dtype=dtype),
        torch.zeros(shape, dtype=dtype),
    ):
        comes_back(codec, x)


def test_what_would_grow_is_stored(codec, rng):
    """Noise costs the header and no more; changed bytes are noticed there too."""
    noise = torch.randint(0, 256, (2, 3, 8, 8), generator=rng, dtype=torch.uint8)
    content = codec.encode(noise)
    assert len(content) == HEADER.size + noise.numel() < len(codec.encode(noise, stored=False))
    for place in (HEADER.size, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(ValueError, match="changed"):
            codec.decode(bytes(changed))


def test_nothing_and_odd_layouts(codec, stages):
    x = stages["x"]
    assert len(comes_back(codec, x[:0])) == HEADER.size + 6
    comes_back(codec, x[:1])
    comes_back(codec, x[:8].transpose(2, 3))
    comes_back(codec, x[::3])


def test_one_pixel(rng):
    flow = flows.IntegerFlow((2, 1, 1), flows.alternating(2, 2), generator=rng)
    codec = flows.Codec(flow)
    for value in range(0, 256, 15):
        comes_back(codec, torch.full((1, 2, 1, 1), value, dtype=torch.uint8))


@settings(max_examples=15, deadline=None)
@given(arrays.arrays("int64", (1, 3, 8, 8), elements=st.integers(-(2**63), 2**63 - 1)))
def test_any_whole_numbers(codec_once, values):
    comes_back(codec_once, torch.from_numpy(values))


@pytest.fixture(scope="module")
def codec_once(codec):
    return codec


@pytest.mark.parametrize("threads", [1, 2])
def test_bytes_do_not_depend_on_threads_or_company(codec, stages, threads):
    x, before = stages["x"][:3], torch.get_num_threads()
    content = codec.encode(x)
    torch.set_num_threads(threads)
    try:
        assert codec.encode(x) == content and torch.equal(codec.decode(content), x)
        bits = torch.cat([codec.bits(row[None]) for row in x])
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(bits, codec.bits(x), rtol=1e-12, atol=0.0)


def test_tables_travel_with_the_model(codec, stages):
    again = flows.Codec(stages["whole"], codec.laws)
    assert again.model == codec.model and again.portable
    x = stages["x"][:2]
    assert torch.equal(again.decode(codec.encode(x)), x)
    assert not flows.Codec(stages["floats"]).portable


def test_a_translator_that_computes_otherwise_is_noticed(stages, rng):
    """What floats may do on another machine: one translation comes out one larger when it is read."""
    codec, x = flows.Codec(stages["floats"]), stages["x"][:4]
    content = codec.encode(x)
    network = stages["floats"].couplings[2].translator
    handle = network.register_forward_hook(lambda module, args, out: out + (torch.arange(out.numel()).view(out.shape) == 17))
    try:
        with pytest.raises(ValueError, match="floats of this model came out otherwise"):
            codec.decode(content)
        wrong = codec.decode(content, check=False)
    finally:
        handle.remove()
    assert int((wrong != x).sum()) > 0
    assert torch.equal(codec.decode(content), x)


def test_damaged_bytes(codec, stages):
    x = stages["x"][:3]
    content = codec.encode(x)
    for size in (0, 1, 3, 10, HEADER.size - 1, HEADER.size, HEADER.size + 3, len(content) - 2, len(content) - 1):
        with pytest.raises(ValueError, match="cut short|begin with"):
            codec.decode(content[:size])
    with pytest.raises(ValueError, match="added to"):
        codec.decode(content + b"ab")
    for place in (HEADER.size, HEADER.size + 7, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 4
        with pytest.raises(ValueError, match="changed|cut short"):
            codec.decode(bytes(changed))


def test_foreign_bytes(codec, stages, rng):
    with pytest.raises(ValueError, match="not written by a Codec"):
        codec.decode(b"\x89PNG and what follows it, for quite a while")
    with pytest.raises(TypeError, match="bytes"):
        codec.decode("text")
    other = flows.Codec(flows.IntegerFlow((3, 8, 8), flows.lifting(3, 2), generator=rng))
    with pytest.raises(ValueError, match="decode with the model that encoded"):
        codec.decode(other.encode(stages["x"][:1]))
    content = bytearray(codec.encode(stages["x"][:1]))
    content[4] = 99
    with pytest.raises(ValueError, match="version 99"):
        codec.decode(bytes(content))


def test_bad_input(codec, stages):
    with pytest.raises(TypeError, match="whole numbers"):
        codec.encode(stages["x"].float())
    with pytest.raises(ValueError, match="takes \\(n, 3, 8, 8\\)"):
        codec.encode(stages["x"][:, :1])
    with pytest.raises(ValueError, match="one for each"):
        flows.Codec(stages["whole"], codec.laws[:1])
