"""The named formats: bytes by the formula are the bytes stored, noise by the law, and nothing without a generator."""

import pytest
import torch

from workbench.quantizers import FORMATS

forms = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)


@forms
@pytest.mark.parametrize("shape", [(256, 256), (3, 70), (1, 1)])
def test_bits_are_those_that_are_stored(form, shape, rng):
    x = torch.randn(shape, generator=rng)
    small = form.quantizer.quantize(x if form.signed else x.abs(), rng)
    assert small.nbytes == form.quantizer.nbytes(shape)
    assert small.bits_per_entry == form.bits_per_entry(*shape)


@forms
def test_more_than_its_bits_allow_is_not_promised(form, rng):
    """No code of b bits has less noise on normal numbers than the bound of rate and distortion, 6.02 dB a bit."""
    assert 0 < form.sqnr(rng) < 6.0206 * form.bits_per_entry() + (0 if form.signed else 4.4)


def test_names_differ_and_a_generator_is_needed():
    assert len({form.name for form in FORMATS}) == len(FORMATS)
    with pytest.raises(TypeError):
        FORMATS[0].sqnr(None)
