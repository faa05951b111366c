"""Blocks left out: the identity in their place, the others untouched; and a search among all choices."""

import itertools

import pytest
import torch

import workbench as wb
from workbench.quantizers import BlockBudget, residual_blocks, velocity_damage, without_blocks
from workbench.search import Evolution, Stage, evolve


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(net):
    draws = seeded(1)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draws))
    return net.requires_grad_(False)


def unet():
    return shaken(wb.nets.UNet(widths=(16, 32), blocks=2, attend=4, emb=16, side=8, generator=seeded()))


def dit(depth=4):
    return shaken(wb.nets.DiT(patch=2, width=16, depth=depth, heads=2, emb=16, side=8, generator=seeded()))


INPUT = torch.randn(3, 3, 8, 8, generator=seeded(2)), torch.rand(3, generator=seeded(3))


def test_names():
    assert list(residual_blocks(dit())) == [f"blocks.{k}" for k in range(4)]
    down = ["down.0.0", "down.0.1", "down.0.2", "down.1.0", "down.1.1", "down.1.2"]
    assert list(residual_blocks(unet())) == [*down, *(name.replace("down", "up") for name in down)]
    assert list(residual_blocks(wb.nets.MLP(2, generator=seeded()))) == []


@pytest.mark.parametrize("make", [unet, dit])
def test_a_skipped_block_is_one_whose_branch_gives_zero(make):
    """Held against the same network with the weights that end each branch set to zero."""
    net = make()
    names = list(residual_blocks(net))
    chosen = names[1:4]
    by_hand = make()
    for name in chosen:
        block = by_hand.get_submodule(name)
        for end in ("out", "shrink", "conv_out"):
            if hasattr(block, end):
                for p in getattr(block, end).parameters():
                    p.zero_()
    before = net(*INPUT)
    short = without_blocks(net, chosen)
    torch.testing.assert_close(short(*INPUT), by_hand(*INPUT), rtol=1e-5, atol=1e-6)
    assert torch.equal(net(*INPUT), before) and not torch.allclose(short(*INPUT), before)
    assert torch.equal(without_blocks(net, (1, 2, 3))(*INPUT), short(*INPUT)) and torch.equal(
        without_blocks(net, ())(*INPUT), before
    )
    assert sum(p.numel() for p in short.parameters()) < sum(p.numel() for p in net.parameters())


def test_a_denoiser_comes_back_as_a_denoiser_and_can_be_quantized():
    model = wb.EDMDenoiser(dit())
    short = without_blocks(model, ["blocks.2"])
    assert isinstance(short, wb.EDMDenoiser) and list(residual_blocks(short)) == ["blocks.0", "blocks.1", "blocks.3"]
    small = wb.quantizers.quantized(short, weights=wb.quantizers.Affine(bits=8))
    torch.testing.assert_close(small.data(INPUT[0], 1.0), short.data(INPUT[0], 1.0), rtol=0.1, atol=0.05)


def test_a_mutation_keeps_the_number_of_blocks():
    budget, generator = BlockBudget(9, 3), seeded(4)
    state, seen, changed = budget.start(generator), set(), set()
    for _ in range(3000):
        after = budget.mutate(state, generator)
        assert len(set(after)) == 3 and set(after) <= set(range(9)) and list(after) == sorted(after)
        changed.add(len(set(after) - set(state)))
        state = after
        seen.add(state)
    assert len(seen) == 84 and changed == {1, 2, 3}


def test_a_search_finds_the_best_choice_of_all():
    model = wb.NetworkDenoiser(dit(7), wb.schedules.Rectified(), "velocity")
    damage, budget = velocity_damage(model, *INPUT), BlockBudget(7, 3)
    fitness = lambda skipped, stage: damage(without_blocks(model, skipped), stage.samples)  # noqa: E731
    best = min(itertools.combinations(range(7), 3), key=lambda skipped: fitness(skipped, Stage(3, 1)))
    found = evolve(budget.start(seeded(5)), budget.mutate, fitness, Evolution(8, 4, (Stage(3, 1),)), generator=seeded(6))
    assert found.best == best and found.evaluations < 35


def test_what_cannot_be_skipped_is_refused():
    net = dit()
    for one in ("blocks.9", 4, -5, "read"):
        with pytest.raises(ValueError, match="no residual blocks .* there are blocks.0, blocks.1"):
            without_blocks(net, [one])
    with pytest.raises(ValueError, match="there are none"):
        without_blocks(wb.nets.MLP(2, generator=seeded()), [0])
    for count, number in ((3, 4), (3, -1)):
        with pytest.raises(ValueError, match="must lie between 0 and count"):
            BlockBudget(count, number)
    for state in ((0, 0), (0, 5), (0,)):
        with pytest.raises(ValueError, match="needs 2 different places below 5"):
            BlockBudget(5, 2).mutate(state, seeded())
    assert BlockBudget(5, 0).mutate((), seeded()) == () and BlockBudget(2, 2).mutate((0, 1), seeded()) == (0, 1)
