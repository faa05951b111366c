"""Batches are a function of seed and step: each sample once an epoch, flips and dropped labels at their rates."""

import pytest
import torch

from workbench.nets.training.batches import Batches, generator_of


def numbered(count=20, side=2):
    """Picture k has value k on its left half and 0 on its right."""
    x = torch.zeros(count, 1, side, side, dtype=torch.uint8)
    x[..., : side // 2] = torch.arange(1, count + 1, dtype=torch.uint8).view(-1, 1, 1, 1)
    return x


def seen(images):
    """The numbers of the pictures, whichever way round."""
    return ((images + 1) * 127.5).round().amax((1, 2, 3)).int().tolist()


def test_an_epoch_sees_each_image_once_and_epochs_differ():
    data = Batches(numbered(), torch.arange(20), 5, seed=0, classes=20, drop=0.0)
    epochs = [[n for step in range(4 * e, 4 * e + 4) for n in seen(data.at(step)[0])] for e in range(3)]
    assert all(sorted(epoch) == list(range(1, 21)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_labels_and_rows_follow_their_images():
    data = Batches(numbered(), torch.arange(20), 6, seed=1, classes=20, drop=0.0)
    for step in (0, 2, 5, 100):
        images, labels = data.at(step)[:2]
        assert seen(images) == (labels + 1).tolist() == (data.rows(step) + 1).tolist()


def test_a_step_is_the_same_whatever_was_asked_before():
    one, two = (Batches(numbered(), torch.arange(20), 5, seed=3) for _ in range(2))
    for step in range(9):
        one.at(step)
    a, b = one.at(9), two.at(9)
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    assert torch.equal(torch.randn(3, generator=a.draws), torch.randn(3, generator=b.draws))
    assert not torch.equal(Batches(numbered(), torch.arange(20), 5, seed=4).at(9)[0], b[0])


def test_half_are_flipped_and_the_share_is_dropped():
    data = Batches(numbered(), torch.arange(20), 20, seed=0, classes=20, drop=0.3)
    steps = [data.at(step)[:2] for step in range(200)]
    flipped = torch.cat([images[:, 0, 0, 0] == -1 for images, _ in steps]).double().mean()
    dropped = torch.cat([labels == 20 for _, labels in steps]).double().mean()
    assert abs(flipped - 0.5) < 0.03 and abs(dropped - 0.3) < 0.03


def test_floats_come_as_they_are_and_without_labels():
    points = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    data = Batches(points, None, 10, seed=0, flips=False)
    x, labels = data.at(1)[:2]
    assert labels is None and torch.equal(x, points[data.rows(1)])


def test_generators_depend_on_every_key():
    first = {
        tuple(torch.randint(2**40, (2,), generator=generator_of(*keys)).tolist())
        for keys in [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1)]
    }
    assert len(first) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 21}, "take a smaller batch"),
        ({"batch": 0}, "at least one"),
        ({"labels": torch.arange(3)}, "one for each"),
        ({"images": torch.zeros(20, 2)}, "flips=False"),
    ],
)
def test_what_cannot_be_batched_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Batches(**({"images": numbered(), "labels": torch.arange(20), "batch": 5, "seed": 0} | change))
