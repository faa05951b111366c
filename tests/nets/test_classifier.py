"""The classifier and its training: a function of the seed, resumable, and able to learn."""

import pytest
import torch

from workbench.data.cifar import Cifar10
from workbench.nets import Classifier
from workbench.nets.train_classifier import Settings, accuracy, rate_at, train
from workbench.nets.training.crops import crops

TINY = Settings(epochs=3, batch=20, rate=0.2, widths=(8, 8), seed=1)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def stripes(n, seed=0):
    """Two classes: dark above and light below, or the other way round, with noise."""
    labels = torch.arange(n) % 2
    sign = (2 * labels - 1).view(-1, 1, 1, 1) * torch.linspace(-60, 60, 32).view(1, 1, 32, 1)
    images = 128 + sign + 25 * torch.randn(n, 3, 32, 32, generator=rng(seed))
    return Cifar10(images.clamp(0, 255).to(torch.uint8), labels, ("up", "down"))


def weights(net):
    return torch.cat([value.double().flatten() for value in net.state_dict().values()])


def test_shapes_and_size():
    net = Classifier(generator=rng()).eval()
    x = torch.rand(2, 3, 32, 32, generator=rng(1)) * 2 - 1
    assert net.features(x).shape == (2, 128) and net(x).shape == (2, 10)
    assert torch.equal(net(x), net.head(net.features(x)))
    assert sum(p.numel() for p in net.parameters()) < 2e6
    assert torch.allclose(net(x)[:1], net(x[:1]), atol=1e-5), "a picture's logits do not depend on its neighbors"


def test_a_function_of_its_seed():
    a, b, c = (weights(Classifier((8, 8), generator=rng(seed))) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_whitened_patches_are_white():
    images = stripes(40).images
    net = Classifier((8,), generator=rng())
    net.whiten(images, floor=0.0)
    out = net.patches(images / 127.5 - 1)
    half = out[:, :12, ::2, ::2].permute(1, 0, 2, 3).flatten(1).double()  # patches that do not overlap, as measured
    assert torch.allclose(half.cov(), torch.eye(12).double(), atol=1e-3)
    assert torch.equal(out[:, 12:], -out[:, :12])


def test_crops_are_shifts_and_flips():
    image = torch.arange(3 * 64, dtype=torch.uint8).view(1, 3, 8, 8)
    same = crops(image.expand(200, -1, -1, -1), 0, rng())
    whole = image / 127.5 - 1
    flipped = (same == whole.flip(-1)).flatten(1).all(1)
    assert ((same == whole).flatten(1).all(1) ^ flipped).all()
    assert 70 < int(flipped.sum()) < 130
    moved = crops(image.expand(400, -1, -1, -1), 2, rng(1))
    assert {moved[k, :, 3, 3].tolist()[0] for k in range(400)} <= set(whole[0, 0, 1:6, 1:7].flatten().tolist())
    assert len({tuple(m.flatten().tolist()) for m in moved}) == 50, "25 shifts, each in two orientations"
    with pytest.raises(ValueError, match="shift is 8"):
        crops(image, 8, rng())


def test_the_rate_is_a_triangle():
    rates = [rate_at(Settings(rate=1.0, warmup=0.2), step, 99) for step in range(99)]
    assert max(rates) == pytest.approx(1.0) and rates.index(max(rates)) == 19
    assert rates[0] == pytest.approx(0.05) and rates[-1] == pytest.approx(0.0125)


def test_learns_and_resumes_to_the_last_bit(tmp_path):
    images, held_out = stripes(200), stripes(60, seed=5)
    whole, history = train(images, held_out, TINY)
    assert accuracy(whole, held_out.images, held_out.labels) > 0.9 and len(history) == 3
    out = tmp_path / "run.pt"
    train(images, held_out, TINY, out, epochs=1)
    resumed, again = train(images, held_out, TINY, out)
    assert torch.equal(weights(whole), weights(resumed))
    assert [e["loss"] for e in again] == [e["loss"] for e in history]
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"], "no half-written file is left"
    with pytest.raises(ValueError, match="another --out"):
        train(images, held_out, Settings(epochs=3, batch=20, rate=0.2, widths=(8, 8), seed=2), out)


def test_what_is_refused():
    with pytest.raises(ValueError, match="at least one channel"):
        Classifier((), generator=rng())
    with pytest.raises(ValueError, match="epochs is 0"):
        Settings(epochs=0)
    with pytest.raises(ValueError, match="use a smaller batch"):
        train(stripes(10), stripes(10), TINY)
    with pytest.raises(FloatingPointError, match="at step"):
        train(stripes(40), stripes(10), Settings(epochs=2, batch=20, rate=1e30, widths=(8,)))
