"""Networks in whole numbers: equal to a plain int64 loop, close to the rounded floats they come from, and the same in any company."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.quantizers import integer_flows as flows
from workbench.quantizers.integer_flows.whole import fixed_point, rescaled


def drawn(rng, outputs=5, inputs=3, k=3, cut=255):
    weight = torch.randint(-128, 128, (outputs, inputs, k, k), generator=rng)
    bias, factor = torch.randint(-9999, 9999, (outputs,), generator=rng), torch.randint(1, 2**30, (outputs,), generator=rng)
    return flows.WholeConvolution(weight, bias, factor, torch.tensor(38), cut)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("cut", [255, 15, None])
def test_one_layer_against_a_loop(k, cut, rng):
    layer = drawn(rng, k=k, cut=cut)
    x = torch.randint(-128, 256, (2, 3, 4, 5), generator=rng)
    found = layer(x)
    for n, o, i, j in [(0, 0, 0, 0), (1, 4, 3, 4), (0, 2, 1, 3), (1, 1, 0, 2), (1, 3, 3, 0)]:
        total = int(layer.bias[o])
        for c in range(3):
            for a in range(k):
                for b in range(k):
                    y, z = i + a - k // 2, j + b - k // 2
                    if 0 <= y < 4 and 0 <= z < 5:
                        total += int(layer.weight[o, c, a, b]) * int(x[n, c, y, z])
        expected = (total * int(layer.factor[o]) + 2**37) // 2**38
        assert int(found[n, o, i, j]) == (expected if cut is None else min(max(expected, 0), cut))
    assert cut is None or (found.min() >= 0 and found.max() <= cut)


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**31), 2**31), st.floats(1e-9, 1e6))
def test_fixed_point_rescaling(total, ratio):
    factor, shift = fixed_point(torch.tensor([ratio], dtype=torch.float64))
    assert 0 < int(factor) < 2**31 or ratio < 2**-41
    assert abs(int(factor) / 2 ** int(shift) - ratio) <= 2.0 ** -(int(shift) + 1)
    found = int(rescaled(torch.tensor([total]), factor, shift))
    assert found == (2 * total * int(factor) + 2 ** int(shift)) // 2 ** (int(shift) + 1)


def test_whole_numbers_follow_the_rounded_floats(stages):
    """Coupling by coupling on the same input: nearly every translation is the same whole number, none is off by 2, and the code is as long.

    Over the whole flow small differences add up, so there only the length of the code is compared.
    """
    x, rounded, whole = stages["x"], stages["rounded"], stages["whole"]
    for floats, integers in zip(rounded.couplings, whole.couplings, strict=True):
        z = torch.randint(-90, 91, (4, len(floats.reads), 4, 4), generator=torch.Generator().manual_seed(0))
        gap = floats.translator(z.float()).round().long() - integers.translator(z)
        assert gap.abs().max() <= 1 and (gap != 0).float().mean() < 0.1
    assert whole.bits_per_dimension(x) == pytest.approx(rounded.bits_per_dimension(x), abs=0.01)
    assert not torch.equal(whole(x)[0], flows.squeeze(x.long() - 128)[:, 3:])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bits_for_any_threads_batch_and_company(stages, threads):
    x, flow = stages["x"][:12], stages["whole"]
    expected, before = flow(x), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = flow(x)
        alone = [torch.cat(parts) for parts in zip(*(flow(row[None]) for row in x), strict=True)]
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(threads))
        mixed = flow(x[order].contiguous(memory_format=torch.channels_last))
    finally:
        torch.set_num_threads(before)
    for a, b, c, d in zip(expected, together, alone, mixed, strict=True):
        assert torch.equal(a, b) and torch.equal(a, c) and torch.equal(a[order], d)


def test_all_that_is_kept_is_whole(stages):
    for part in stages["whole"].couplings.state_dict().values():
        assert not part.is_floating_point()
    for coupling in stages["whole"].couplings:
        assert all(
            layer.weight.dtype == torch.int8 and int(layer.factor.abs().max()) < 2**31 for layer in coupling.translator.layers
        )


def test_a_state_fits_into_a_blank_one(stages):
    x, whole = stages["x"], stages["whole"]
    for coupling in whole.couplings:
        sizes = [tuple(layer.weight.shape) for layer in coupling.translator.layers]
        blank = flows.WholeTranslator.blank(sizes)
        blank.load_state_dict(coupling.translator.state_dict())
        z = torch.randint(-300, 300, (2, len(coupling.reads), 4, 4))
        assert torch.equal(blank(z), coupling.translator(z))
    for coupling in stages["floats"].couplings:
        blank = flows.Translator.blank([tuple(layer.weight.shape) for layer in coupling.translator.layers])
        blank.load_state_dict(coupling.translator.state_dict())
        z = x[:2, :1].float().expand(2, len(coupling.reads), 8, 8)
        assert torch.equal(blank(z), coupling.translator(z))


def test_untrained_and_silent_networks(rng):
    """Weights of zero and filters that never fire have steps as well."""
    flow = flows.IntegerFlow((2, 1, 1), flows.alternating(2, 2), generator=rng)
    x = torch.full((4, 2, 1, 1), 128)
    whole = flows.whole(flows.rounded_weights(flows.rounded_activations(flow, x)))
    y = torch.randint(0, 256, (50, 2, 1, 1), generator=rng)
    assert torch.equal(whole(y)[0], y - 128)


def test_fewer_bits(stages):
    x, floats = stages["x"], stages["floats"]
    few = flows.whole(flows.rounded_weights(flows.rounded_activations(floats, x, bits=4), bits=4))
    assert max(int(layer.weight.abs().max()) for c in few.couplings for layer in c.translator.layers) <= 8
    assert [layer.cut for layer in few.couplings[0].translator.layers] == [15, 15, None]
    assert few.bits_per_dimension(x) > stages["whole"].bits_per_dimension(x)


def test_errors(stages, rng):
    x, floats = stages["x"], stages["floats"]
    for flow in (floats, flows.rounded_weights(floats), flows.rounded_activations(floats, x)):
        with pytest.raises(ValueError, match="activation steps and weight steps"):
            flows.whole(flow)
    with pytest.raises(ValueError, match="no gates"):
        flows.whole(flows.gated(stages["rounded"]))
    with pytest.raises(ValueError, match="at most 8 bits"):
        flows.whole(flows.rounded_weights(flows.rounded_activations(floats, x), bits=9))
    with pytest.raises(ValueError, match="no samples"):
        flows.rounded_activations(floats, x[:0])
    with pytest.raises(TypeError, match="needs a Translator"):
        flows.gated(stages["whole"])
    with pytest.raises(ValueError, match="too large"):
        fixed_point(torch.tensor([2.0**30]).double())
