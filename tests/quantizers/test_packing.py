"""Packing: every length, every code, every number of bits; and the order of the nibbles."""

import pytest
import torch

from workbench.quantizers import packing


@pytest.mark.parametrize("bits", range(1, 17))
def test_there_and_back_for_every_length(bits, rng):
    for n in range(34):
        codes = torch.randint(2**bits, (n,), generator=rng, dtype=torch.int32)
        packed = packing.pack(codes, bits)
        assert packed.dtype == torch.uint8 and packed.shape == (packing.nbytes(n, bits),)
        assert torch.equal(packing.unpack(packed, bits, n).int(), codes)


@pytest.mark.parametrize("bits", range(1, 17))
def test_every_code(bits):
    codes = torch.arange(2**bits, dtype=torch.int32)
    assert torch.equal(packing.unpack(packing.pack(codes, bits), bits, len(codes)).int(), codes)
    assert packing.nbytes(len(codes), bits) * 8 == len(codes) * bits or bits < 3


def test_bytes():
    assert [packing.nbytes(5, bits) for bits in (1, 2, 3, 4, 5, 8, 12, 16)] == [1, 2, 3, 3, 4, 5, 8, 10]
    assert packing.nbytes(0, 7) == 0


def test_halves_lie_in_low_and_high_nibbles_and_the_last_odd_one_is_zero():
    packed = packing.pack(torch.tensor([1, 2, 3, 4, 5]), 4)
    assert packed.tolist() == [1 | 4 << 4, 2 | 5 << 4, 3]


def test_one_bit_masks():
    mask = torch.tensor([1, 0, 1, 1, 0, 0, 0, 1, 1])
    expected = [sum(int(mask[i + 2 * plane]) << plane for plane in range(8) if i + 2 * plane < 9) for i in range(2)]
    assert packing.pack(mask, 1).tolist() == expected


def test_shape_and_memory_layout_do_not_matter(rng):
    codes = torch.randint(16, (5, 6), generator=rng)
    assert torch.equal(packing.pack(codes.T, 4), packing.pack(codes.T.reshape(-1).clone(), 4))


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 8])
def test_words_of_four_bytes_carry_nothing_over(bits, rng):
    """Lengths whose planes are whole words, from a place that is one and from places that are not; the largest codes side by side."""
    for start in range(4):
        codes = torch.randint(2**bits, (64 + start,), generator=rng).to(torch.uint8)
        codes[start + 3 :: 4] = 2**bits - 1
        by_hand = [byte for width, above in _pieces(bits) for byte in _plane(codes[start:], width, above)]
        packed = packing.pack(codes[start:], bits)
        assert packed.tolist() == by_hand
        held = torch.cat([packed.new_zeros(start), packed])[start:]
        assert torch.equal(packing.unpack(held, bits, 64), codes[start:])
    every_other = torch.randint(2**bits, (128,), generator=rng).to(torch.uint8)[::2]
    assert torch.equal(packing.pack(every_other, bits), packing.pack(every_other.clone(), bits))


def _pieces(bits):
    """(width, bits to the right) of each piece."""
    above = bits
    for width in packing.widths(bits):
        above -= width
        yield width, above


def _plane(codes, width, above):
    """The bytes of one piece, one Python number after the other."""
    pieces = [(int(code) >> above) & (2**width - 1) for code in codes]
    size = len(pieces) * width // 8
    return [sum(pieces[i + plane * size] << width * plane for plane in range(8 // width)) for i in range(size)]


def test_packed_codes_are_not_a_view(rng):
    codes = torch.randint(256, (9,), generator=rng).to(torch.uint8)
    packed = packing.pack(codes, 8)
    codes.zero_()
    assert packed.any()


def test_errors():
    with pytest.raises(ValueError, match="do not fit into 4 bits: 0 to 15"):
        packing.pack(torch.tensor([3, 16]), 4)
    with pytest.raises(ValueError, match="do not fit"):
        packing.pack(torch.tensor([-1]), 8)
    with pytest.raises(TypeError, match="whole numbers"):
        packing.pack(torch.ones(3), 4)
    for bits in (0, 17):
        with pytest.raises(ValueError, match="1 to 16 bits"):
            packing.nbytes(3, bits)
    with pytest.raises(ValueError, match="were the bytes cast or cut"):
        packing.unpack(torch.zeros(2), 4, 4)
    with pytest.raises(ValueError, match="were the bytes cast or cut"):
        packing.unpack(torch.zeros(3, dtype=torch.uint8), 4, 4)
