"""Couplings: both laws are kept, every sample gets the noise that is its own, and optimal transport is optimal."""

from itertools import permutations

import pytest
import torch

import workbench as wb
from workbench.nets.training.batches import Batches, Partners
from workbench.reflow import StoredPairs, independent, minibatch_ot, paired, transport_cost


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def points(count, seed=0, shape=(2,)):
    return torch.randn(count, *shape, generator=generator(seed))


def noise_of(coupling, x0, seed=0):
    return coupling.noise(x0, torch.arange(len(x0)), None, generator(seed))


def test_independent_noise_is_drawn_each_time():
    coupling, x0 = independent(points(50_000)), points(50_000)
    z = noise_of(coupling, x0, seed=1)
    assert z.shape == x0.shape and z.dtype == x0.dtype and len(coupling) == 50_000 and isinstance(coupling, Partners)
    assert torch.equal(z, noise_of(coupling, x0, seed=1)) and not torch.equal(z, noise_of(coupling, x0, seed=2))
    both = torch.cat([x0, z], 1).T.cov()
    assert torch.allclose(both, torch.eye(4), atol=0.02)


def test_a_pair_stays_a_pair():
    x0, z = points(10), points(10, 1)
    coupling, rows = paired(x0, z), torch.tensor([7, 0, 3])
    assert torch.equal(coupling.noise(x0[rows], rows, None, generator()), z[rows])
    assert coupling.noise(x0[rows].double(), rows, None, generator()).dtype == torch.float64


def test_flips_turn_both():
    x0, z = points(8, shape=(3, 4, 4)), points(8, 1, shape=(3, 4, 4))
    batches = Batches(x0, None, 8, seed=3, partners=paired(x0, z))
    seen, rows = batches.at(0), batches.rows(0)
    turned = [not torch.equal(image, x0[row]) for image, row in zip(seen.x0, rows, strict=True)]
    assert 0 < sum(turned) < 8
    for i, row in enumerate(rows):
        other = (x0[row].flip(-1), z[row].flip(-1)) if turned[i] else (x0[row], z[row])
        assert torch.equal(seen.x0[i], other[0]) and torch.equal(seen.noise[i], other[1])


def test_stored_pairs_bring_everything():
    stored = StoredPairs(torch.randint(0, 256, (6, 3, 4, 4), generator=generator(), dtype=torch.uint8), torch.arange(6), 5, {})
    coupling, rows = paired(stored), torch.tensor([4, 1])
    assert coupling.labels is stored.labels and coupling.x0 is stored.ends
    assert torch.equal(coupling.noise(stored.data(rows), rows, None, generator()), stored.noise(rows))
    flipped = torch.tensor([True, False])
    found = coupling.noise(stored.data(rows), rows, flipped, generator())
    assert torch.equal(found[0], stored.noise(rows)[0].flip(-1)) and torch.equal(found[1], stored.noise(rows)[1])


def test_optimal_transport_has_the_least_cost_of_all_permutations():
    x0 = points(6, 4)
    z = noise_of(minibatch_ot(x0), x0, seed=5)
    costs = [transport_cost(x0, z[list(order)]) for order in permutations(range(6))]
    assert transport_cost(x0, z) == pytest.approx(min(costs)) and min(costs) < sorted(costs)[1]


def test_optimal_transport_only_reorders():
    x0 = points(64, 4, shape=(3, 2, 2))
    drawn, ordered = noise_of(independent(x0), x0, seed=5), noise_of(minibatch_ot(x0), x0, seed=5)
    assert torch.equal(drawn.flatten(1).sum(1).sort().values, ordered.flatten(1).sum(1).sort().values)
    assert transport_cost(x0, ordered) < transport_cost(x0, drawn) and ordered.dtype == torch.float32


def test_a_batch_of_one_is_independent():
    x0 = points(1, 4)
    assert torch.equal(noise_of(minibatch_ot(x0), x0, 5), noise_of(independent(x0), x0, 5))


def test_larger_batches_come_closer_to_the_optimal_cost():
    """For Gaussian data the least cost of any coupling is known."""
    law = wb.characters.ellipse(wb.schedules.Rectified())
    x0 = law.sample(1024, 0.0, generator=generator(1))
    least = wb.gaussian.GaussianCoupling(law.mean, law.covariance).endpoint_distance()
    found = {}
    for batch in (1, 8, 256):
        parts = [(part, noise_of(minibatch_ot(x0), part, seed)) for seed, part in enumerate(x0.split(batch))]
        found[batch] = transport_cost(x0, torch.cat([z for _, z in parts]))
    assert found[1] > found[8] > found[256] and found[256] < least + 0.2 * (found[1] - least)


def test_optimal_transport_sees_the_flipped_pictures():
    x0 = points(4, shape=(1, 2, 2))
    batches = Batches(x0, None, 4, seed=3, partners=minibatch_ot(x0))
    seen = batches.at(0)
    costs = [transport_cost(seen.x0, seen.noise[list(order)]) for order in permutations(range(4))]
    assert transport_cost(seen.x0, seen.noise) == pytest.approx(min(costs))


@pytest.mark.parametrize("couple", [independent, minibatch_ot])
def test_what_cannot_be_coupled(couple):
    for wrong in (torch.zeros(3), torch.zeros(0, 2)):
        with pytest.raises(ValueError, match=r"samples \(n, \*shape\) are needed"):
            couple(wrong)
    with pytest.raises(ValueError, match="some samples of x0 are not finite"):
        couple(torch.tensor([[1.0, float("inf")]]))
    assert couple(points(3), torch.arange(3)).labels.tolist() == [0, 1, 2]


def test_what_is_no_pair():
    x0, stored = points(3), StoredPairs(points(3), None, 0, {})
    with pytest.raises(ValueError, match="got noise none for samples"):
        paired(x0)
    with pytest.raises(ValueError, match=r"got noise \(2, 2\) for samples \(3, 2\)"):
        paired(x0, points(2))
    for more in ({"noise": x0}, {"labels": torch.arange(3)}):
        with pytest.raises(ValueError, match="stored pairs bring their noise"):
            paired(stored, **more)
