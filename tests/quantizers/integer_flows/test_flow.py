"""The map of whole numbers: the identity at the start, one to one always, and undone exactly."""

import pytest
import torch

from workbench.quantizers import integer_flows as flows


def tiny(reads, writes, generator):
    return flows.Translator(reads, writes, 8, (1, 1), generator=generator)


def disturbed(flow, rng):
    with torch.no_grad():
        for p in flow.couplings.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=rng))
    return flow


def test_squeeze_puts_the_four_phases_one_after_the_other():
    x = torch.arange(2 * 3 * 4 * 6).view(2, 3, 4, 6)
    y = flows.squeeze(x)
    for phase, (a, b) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        assert torch.equal(y[:, 3 * phase : 3 * phase + 3], x[:, :, a::2, b::2])
    assert torch.equal(flows.unsqueeze(y), x)
    assert flows.squeeze(x[:0]).shape == (0, 12, 2, 3)
    with pytest.raises(ValueError, match="even sides"):
        flows.squeeze(x[:, :, :3])
    with pytest.raises(ValueError, match="multiple of 4"):
        flows.unsqueeze(x)


def test_it_starts_as_the_identity(rng):
    flow = flows.IntegerFlow((3, 8, 8), flows.lifting(3, 2), generator=rng)
    x = torch.randint(0, 256, (2, 3, 8, 8), generator=rng, dtype=torch.uint8)
    first, rest = flow(x)
    assert torch.equal(first, flows.squeeze(x.long() - 128)[:, 3:])
    assert torch.equal(rest, flows.squeeze(flows.squeeze(x.long() - 128)[:, :3]))
    assert [z.shape for z in (first, rest)] == flow.part_shapes(2)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_the_inverse_undoes_the_map(dtype, rng):
    flow = disturbed(flows.IntegerFlow((3, 8, 8), flows.lifting(3, 3), generator=rng), rng)
    x = torch.randint(0, 256, (3, 3, 8, 8), generator=rng).to(dtype)
    z = flow(x)
    assert not torch.equal(z[0], flows.squeeze(x.long() - 128)[:, 3:])
    assert torch.equal(flow.inverse(z), x.long())
    assert all(torch.equal(a.long(), b) for a, b in zip(flow(x.float()), z, strict=True))


def test_it_is_a_permutation_of_a_finite_set_when_sums_wrap(rng):
    """Modulo 16, a coupling permutes the 256 points of a square: nothing is lost, nothing is hit twice."""
    coupling = disturbed(flows.IntegerFlow((2, 1, 1), flows.alternating(2, 1), tiny, center=0, generator=rng), rng).couplings[0]
    points = torch.cartesian_prod(torch.arange(16), torch.arange(16)).view(-1, 2, 1, 1)
    image = coupling(points) % 16
    assert len({tuple(p) for p in image.view(-1, 2).tolist()}) == 256
    assert not torch.equal(image, points)


def test_probabilities_of_all_points_sum_to_one(rng):
    """No determinant is needed: the sum of P(x) over a region that holds nearly everything is 1."""
    flow = disturbed(flows.IntegerFlow((2, 1, 1), flows.alternating(2, 4), tiny, components=2, center=0, generator=rng), rng)
    with torch.no_grad():
        for prior in flow.priors:
            prior.log_scales.sub_(1.5)
            prior.means.mul_(0.2)
    line = torch.arange(-220, 221)
    x = torch.cartesian_prod(line, line).view(-1, 2, 1, 1)
    total = float((2.0 ** -flow.bits(x).detach().double()).sum())
    assert total == pytest.approx(1, abs=2e-3)
    assert abs(total - 1) > 0  # a region, not everything


def test_numbers_beyond_every_range_wrap_and_come_back(rng):
    flow = disturbed(flows.IntegerFlow((2, 1, 1), flows.alternating(2, 4), tiny, generator=rng), rng)
    x = torch.tensor([[2**63 - 1, -(2**63)], [-(2**63), 2**62]]).view(2, 2, 1, 1)
    assert torch.equal(flow.inverse(flow(x)), x)


def test_levels(rng):
    for channels in (1, 2, 3):
        for level in flows.lifting(channels, 2):
            touched = set()
            for reads, writes in level.pairs:
                assert not set(reads) & set(writes)
                touched |= set(writes)
            assert touched == set(range(4 * channels)) - ({0} if channels == 1 else set()) or channels == 1
    (level,) = flows.shuffled(6, 5, rng)
    assert all(sorted((*a, *b)) == list(range(6)) for a, b in level.pairs) and len(set(map(str, level.pairs))) > 1
    (level,) = flows.alternating(4, 3)
    assert level.pairs == (((0, 1), (2, 3)), ((2, 3), (0, 1)), ((0, 1), (2, 3)))


def test_training_shortens_the_code_and_the_start_is_better_than_nothing(stages, rng):
    x = stages["x"]
    blank = flows.IntegerFlow((3, 8, 8), flows.lifting(3, 2), components=2, generator=rng)
    begun = flows.linear_start(blank, x)
    assert begun.bits_per_dimension(x) < blank.bits_per_dimension(x) - 0.5
    assert stages["floats"].bits_per_dimension(x) < begun.bits_per_dimension(x)


def test_the_linear_start_is_least_squares(rng):
    """One coupling whose target is linear in what it reads: nothing but rounding is left."""
    a = torch.randint(-60, 61, (400, 1, 1, 1), generator=rng)
    x = torch.cat([a, torch.round(0.7 * a + 9).long()], 1)
    flow = flows.IntegerFlow((2, 1, 1), flows.alternating(2, 1), tiny, center=0, generator=rng)
    z = flows.linear_start(flow, x)(x)[0]
    assert torch.equal(z[:, 0], x[:, 0]) and int(z[:, 1].abs().max()) <= 1


@pytest.mark.parametrize("way", ["stochastic", "sigmoids"])
def test_other_ways_of_rounding_train_too(way, rng):
    a = torch.randint(-60, 61, (400, 1, 1, 1), generator=rng)
    x = torch.cat([a, a], 1)
    flow = flows.IntegerFlow((2, 1, 1), flows.alternating(2, 1), tiny, center=0, way=way, generator=rng)
    history = flows.fit(flow, x, steps=120, rate=1e-2, generator=rng)
    assert history[-1] < history[0] - 0.5
    if way == "stochastic":
        with pytest.raises(ValueError, match="generator"):
            flow(x.float())
    assert torch.equal(flow.inverse(flow(x)), x)


def test_errors(rng):
    flow = flows.IntegerFlow((3, 4, 4), flows.lifting(3, 1), generator=rng)
    for call, message in (
        (lambda: flow(torch.zeros(1, 3, 4, 5)), "takes \\(n, 3, 4, 4\\)"),
        (lambda: flows.IntegerFlow((3, 4), flows.lifting(3, 1), generator=rng), "last level"),
        (lambda: flows.IntegerFlow((3, 6, 6), flows.lifting(3, 2), generator=rng), "squeezed"),
        (lambda: flows.IntegerFlow((1, 4, 4), flows.lifting(3, 1), generator=rng), "of 4 channels"),
        (lambda: flows.Coupling((0, 1), (1, 2), torch.nn.Identity()), "none in both"),
        (lambda: flows.Translator(1, 1, 0, generator=rng), "at least 1"),
        (lambda: flows.Translator(1, 1, kernels=(2, 1), generator=rng), "odd"),
        (lambda: flows.linear_start(flow, torch.zeros(0, 3, 4, 4)), "no samples"),
        (lambda: flows.fit(flow, torch.zeros(0, 3, 4, 4), steps=1, generator=rng), "no samples"),
        (lambda: flows.linear_start(flows.IntegerFlow((3, 4, 4), flows.lifting(3, 1), tiny, generator=rng), torch.zeros(2, 3, 4, 4)), "twice"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()
