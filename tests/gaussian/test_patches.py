"""Local and equivariant denoisers against the sums written out, patch by patch, and against the laws they become."""

import math

import pytest
import torch
from gaussian_helpers import close, interior_times

import workbench as wb
from workbench.denoiser import FACES
from workbench.gaussian import EmpiricalDenoiser, PatchDenoiser, patches

MACHINES = [(False, "circular"), (False, "zeros"), (True, "circular"), (True, "zeros")]


@pytest.fixture
def images(rng):
    return torch.randn(5, 2, 4, 4, generator=rng, dtype=torch.float64) + 1


def noisy(images, schedule, t, rng, n=3):
    noise = torch.randn(n, *images.shape[1:], generator=rng, dtype=torch.float64)
    return schedule.alpha(t) * images[:n] + schedule.sigma(t) * noise


def written_out(images, schedule, side, equivariant, padding, x, t):
    """Pixel by pixel and patch by patch; pixels outside of the image are None, and alike only to one another."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    height, width, reach = *images.shape[2:], side // 2

    def patch(image, i, j):
        seen = []
        for a in range(i - reach, i + reach + 1):
            for b in range(j - reach, j + reach + 1):
                inside = 0 <= a < height and 0 <= b < width
                seen.append(image[:, a % height, b % width] if inside or padding == "circular" else None)
        return seen

    def distance(mine, other):
        if any((p is None) != (q is None) for p, q in zip(mine, other, strict=True)):
            return math.inf
        return sum(float((p - alpha * q).square().sum()) for p, q in zip(mine, other, strict=True) if p is not None)

    out = torch.empty_like(x)
    everywhere = [(i, j) for i in range(height) for j in range(width)]
    for n in range(len(x)):
        for i, j in everywhere:
            pool = [(image, k, m) for image in images for k, m in (everywhere if equivariant else [(i, j)])]
            logits = [-distance(patch(x[n], i, j), patch(image, k, m)) / (2 * sigma**2) for image, k, m in pool]
            weights = torch.tensor(logits, dtype=torch.float64).softmax(0)
            out[n, :, i, j] = sum(w * image[:, k, m] for w, (image, k, m) in zip(weights, pool, strict=True))
    return out


@pytest.mark.parametrize(("equivariant", "padding"), MACHINES)
def test_against_the_sum_written_out(images, rng, equivariant, padding):
    schedule = wb.schedules.VP()
    machine = PatchDenoiser(images, schedule, 3, equivariant, padding)
    for t in interior_times(schedule):
        x = noisy(images, schedule, t, rng, 2)
        close(machine.data(x, t), written_out(images, schedule, 3, equivariant, padding, x, t), 1e-11)


def test_a_patch_as_large_as_the_image_and_no_equivariance_is_the_law_of_the_data(images, schedule, rng):
    law = EmpiricalDenoiser(images, schedule)
    for padding in ("zeros", "circular"):
        machine = PatchDenoiser(images, schedule, 7, equivariant=False, padding=padding)
        for t in interior_times(schedule):
            x = noisy(images, schedule, t, rng)
            for face in FACES:
                close(getattr(machine, face)(x, t), getattr(law, face)(x, t), 1e-9)


def test_the_border_tells_a_large_patch_where_it_is(images, rng):
    """With zeros outside, a patch as large as the image knows its place: equivariance changes nothing."""
    schedule = wb.schedules.VE()
    x = noisy(images, schedule, 1.0, rng)
    placed = PatchDenoiser(images, schedule, 7, equivariant=True, padding="zeros")
    close(placed.data(x, 1.0), EmpiricalDenoiser(images, schedule).data(x, 1.0), 1e-11)


def test_equivariance_alone_is_the_law_of_all_translates(images, schedule, rng):
    shifted = torch.cat([images.roll((i, j), (2, 3)) for i in range(4) for j in range(4)])
    machine, law = PatchDenoiser(images, schedule, 5), EmpiricalDenoiser(shifted, schedule)
    for t in interior_times(schedule):
        x = noisy(images, schedule, t, rng)
        close(machine.data(x, t), law.data(x, t), 1e-10)


def test_shifting_the_image_shifts_the_answer(images, rng):
    schedule, t = wb.schedules.VP(), 0.3
    x = noisy(images, schedule, t, rng)
    moved, shifted = x.roll((1, 2), (2, 3)), lambda machine: machine.data(x, t).roll((1, 2), (2, 3))
    circular, zeros, local = (PatchDenoiser(images, schedule, 3, *kind) for kind in (MACHINES[2], MACHINES[3], MACHINES[0]))
    close(circular.data(moved, t), shifted(circular), 1e-12)
    for broken in (zeros, local):
        assert (broken.data(moved, t) - shifted(broken)).abs().max() > 0.01


def test_what_is_outside_of_the_patch_does_not_matter(images, rng):
    machine = PatchDenoiser(images, wb.schedules.VE(), 3, padding="zeros")
    x = noisy(images, machine.schedule, 0.5, rng)
    other = x.clone()
    other[:, :, 2:] += 3.0
    close(machine.data(other, 0.5)[:, :, 0], machine.data(x, 0.5)[:, :, 0], 1e-12)
    assert (machine.data(other, 0.5)[:, :, 1] - machine.data(x, 0.5)[:, :, 1]).abs().max() > 0.01


@pytest.mark.parametrize(("equivariant", "padding"), MACHINES)
def test_it_is_the_best_under_its_constraint(images, equivariant, padding):
    """On data + noise no small change of the rule by a function of the patch lowers the error: the error is orthogonal to it."""
    schedule, t, n = wb.schedules.VE(), 0.7, 4000
    generator = torch.Generator().manual_seed(0)
    clean = images[torch.randint(len(images), (n,), generator=generator)]
    x = clean + t * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    error = clean - PatchDenoiser(images, schedule, 1, equivariant, padding).data(x, t)
    for change in (torch.ones_like(x), x, x.square(), x.tanh().flip(1)):  # functions of the pixel, as the rule with patch 1 is
        product = (error * change).flatten(1).mean(1)
        assert abs(product.mean()) < 4 * product.std() / n**0.5


def test_limits(images, rng):
    schedule = wb.schedules.VE()
    x = 1e6 * torch.randn(2, 2, 4, 4, generator=rng, dtype=torch.float64)
    everywhere, local = (PatchDenoiser(images, schedule, 3, kind) for kind in (True, False))
    close(everywhere.data(x, 1e6), images.mean((0, 2, 3)).view(1, 2, 1, 1).expand_as(x), 1e-4)
    close(local.data(x, 1e6), images.mean(0).expand_as(x), 1e-4)
    near = images[:2] + 1e-3 * x / 1e6
    for machine in (everywhere, local):
        close(machine.data(near, 1e-3), images[:2], 1e-9)
        close(machine.data(near, 0.0), near, 0)
        found = machine.origins(near, 1e-3)
        assert found.image.tolist() == [[[0] * 4] * 4, [[1] * 4] * 4] and found.share.min() > 1 - 1e-9
        assert found.position.flatten(1).tolist() == [list(range(16))] * 2


def test_times_of_each_sample_and_patches_of_each_level(images, schedule, rng):
    times = interior_times(schedule)
    x = torch.cat([noisy(images, schedule, t, rng, 1) for t in times])
    ratio = [schedule.sigma(t) / schedule.alpha(t) for t in times]
    machine = PatchDenoiser(images, schedule, lambda rho: 1 if rho < 0.5 else 3)
    fixed = [PatchDenoiser(images, schedule, 1 if rho < 0.5 else 3) for rho in ratio]
    expected = torch.cat([one.data(x[i : i + 1], t) for i, (one, t) in enumerate(zip(fixed, times, strict=True))])
    assert sorted({machine.side(t) for t in times}) == [1, 3]
    close(machine.data(x, torch.tensor(times, dtype=torch.float64)), expected, 1e-12)


@pytest.mark.parametrize(("equivariant", "padding"), MACHINES)
def test_the_chunk_does_not_matter(images, rng, monkeypatch, equivariant, padding):
    machine = PatchDenoiser(images, wb.schedules.VE(), 3, equivariant, padding)
    x = noisy(images, machine.schedule, 0.6, rng)
    whole, found = machine.data(x, 0.6), machine.origins(x, 0.6)
    monkeypatch.setattr(patches, "_CHUNK_BYTES", 8 * 2 * 16 * 9 * 2)  # two images, two samples at a time
    close(machine.data(x, 0.6), whole, 1e-12)
    for one, other in zip(machine.origins(x, 0.6), found, strict=True):
        close(one.double(), other.double(), 1e-12)


def test_some_pixels_only(images, rng):
    at = torch.tensor([0, 5, 6, 15])
    for equivariant, padding in MACHINES:
        machine = PatchDenoiser(images, wb.schedules.VE(), 3, equivariant, padding)
        x = noisy(images, machine.schedule, 0.6, rng)
        close(machine.pixels(x, 0.6, at), machine.data(x, 0.6).flatten(2)[:, :, at], 1e-12)


def test_bytes_precision_and_schedules(rng):
    stored = torch.randint(0, 256, (6, 3, 5, 5), generator=rng, dtype=torch.uint8)
    machine = PatchDenoiser(stored, wb.schedules.VE(), 3)
    x = noisy(stored.double() / 127.5 - 1, machine.schedule, 0.5, rng)
    same = PatchDenoiser(stored.double() / 127.5 - 1, wb.schedules.VE(), 3)
    close(machine.data(x, 0.5), same.data(x, 0.5), 1e-12)
    single = PatchDenoiser(stored, wb.schedules.VE(), 3, dtype=torch.float32)
    close(single.data(x, 0.5), machine.data(x, 0.5), 1e-4)
    assert single.data(x.float(), 0.5).dtype == torch.float32
    straight = wb.schedules.Rectified()
    close(machine.on(straight).data(x / 1.5, 1 / 3), machine.data(x, 0.5), 1e-11)
    close(machine.on(straight).data(x, 1.0), (stored.double() / 127.5 - 1).mean((0, 2, 3)).view(1, 3, 1, 1).expand_as(x), 1e-11)


def test_refusals(images):
    ve = wb.schedules.VE()
    for side in (2, 0, -3, True):
        with pytest.raises(ValueError, match="must be odd and positive"):
            PatchDenoiser(images, ve, side)
    with pytest.raises(ValueError, match="must be odd and positive"):
        PatchDenoiser(images, ve, lambda rho: 4.0).data(images, 1.0)
    with pytest.raises(ValueError, match="needs images"):
        PatchDenoiser(images.flatten(1), ve, 3)
    with pytest.raises(ValueError, match='is not known; it is "circular" or "zeros"'):
        PatchDenoiser(images, ve, 3, padding="reflect")
    with pytest.raises(ValueError, match="dtype must be"):
        PatchDenoiser(images, ve, 3, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"x must be floating-point images \(batch, 2, 4, 4\)"):
        PatchDenoiser(images, ve, 3).data(images[:, :1], 1.0)
    with pytest.raises(ValueError, match="does not fit in 4 x 3; take at most 3"):
        PatchDenoiser(images[..., :3], ve, 5).data(images[..., :3], 1.0)


def test_a_sample_does_not_depend_on_the_others(images, rng):
    for equivariant, padding in MACHINES:
        machine = PatchDenoiser(images, wb.schedules.VE(), 3, equivariant, padding)
        x = noisy(images, machine.schedule, 0.6, rng)
        alone = torch.cat([machine.data(x[i : i + 1], 0.6) for i in range(3)])
        close(machine.data(x, 0.6), alone, 1e-12)
