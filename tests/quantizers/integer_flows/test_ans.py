"""The entropy coder: what is written is read, in a length within the stated bound, and broken messages are noticed."""

from itertools import accumulate
from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.quantizers.integer_flows import ans

TOTAL = 2**16


def frequencies(weights):
    counts = [1 + w * (TOTAL - len(weights)) // (sum(weights) + 1) for w in weights]
    counts[0] += TOTAL - sum(counts)
    return counts


def written(symbols, counts):
    starts = [0, *accumulate(counts)]
    writer = ans.Writer()
    for symbol in reversed(symbols):
        writer.push(starts[symbol], counts[symbol])
    return writer.done(), starts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=300), st.data())
def test_what_is_written_is_read(weights, data):
    counts = frequencies(weights)
    symbols = data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=400))
    message, starts = written(symbols, counts)
    reader = ans.Reader(message)
    assert [reader.pop(starts) for _ in symbols] == symbols and reader.finished
    assert len(message) <= ans.most_bytes(sum(16 - log2(counts[s]) for s in symbols), len(symbols))


def test_the_length_is_the_entropy():
    """100,000 symbols of probabilities 1/2, 1/4, 1/8, 1/8: 1.75 bits each, and 6 bytes."""
    counts, symbols = [2**15, 2**14, 2**13, 2**13], [0, 1, 0, 2, 0, 1, 0, 3] * 12_500
    message, _ = written(symbols, counts)
    assert 175_000 / 8 - 2 <= len(message) <= 175_000 / 8 + 6 + 0.3


def test_a_sure_symbol_is_free():
    message, starts = written([0] * 1000, [TOTAL])
    assert len(message) == ans.STATE
    reader = ans.Reader(message)
    assert [reader.pop(starts) for _ in range(1000)] == [0] * 1000 and reader.finished


def test_words_of_sixteen_bits():
    writer = ans.Writer()
    for word in (0, 65535, 12345):
        writer.push(word, 1)
    reader = ans.Reader(writer.done())
    assert [reader.pop_word() for _ in range(3)] == [12345, 65535, 0] and reader.finished


def test_broken_messages():
    message, starts = written([1] * 50, [TOTAL - 1, 1])
    with pytest.raises(ValueError, match="cut short"):
        ans.Reader(message[:4])
    with pytest.raises(ValueError, match="cut short"):
        ans.Reader(message[:-1])
    reader = ans.Reader(message[:-10])
    with pytest.raises(ValueError, match="ends before"):
        [reader.pop(starts) for _ in range(50)]
    reader = ans.Reader(message)
    reader.pop(starts)
    assert not reader.finished
