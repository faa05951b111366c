"""The smallest training there is: pictures of 8x8 pixels, a U-Net of one level, and the command on them."""

import torch
from safetensors.torch import save_file

import workbench as wb
from workbench.gaussian import GaussianDenoiser, GaussianPreconditioned
from workbench.nets import UNet
from workbench.nets.training.batches import Batches

VE = wb.schedules.VE()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=60, side=8, seed=0):
    """uint8 pictures with smooth parts, so that their covariance is not white."""
    noise = torch.randn(count, 3, side, side, generator=generator(seed))
    return (128 + 50 * noise.cumsum(2).cumsum(3) / side).clamp(0, 255).to(torch.uint8)


def labels(count=60):
    return torch.arange(count) % 3


def law(rank=20):
    return GaussianDenoiser.fit(images() / 127.5 - 1, VE, rank=rank)


def unet(seed=0, inputs=6, classes=3):
    return UNet(3, inputs, (16,), 1, classes=classes, emb=16, side=8, generator=generator(seed))


def model(seed=0):
    return GaussianPreconditioned(unet(seed), law())


def batches(batch=8, seed=0):
    return Batches(images(), labels(), batch, seed, classes=3)


def awake(net, seed=1, scale=0.3):
    """Every layer that starts at 0, given something to do."""
    draws = generator(seed)
    with torch.no_grad():
        for part in net.modules():
            if getattr(part, "starts_at_zero", False):
                part.weight.copy_(scale * torch.randn(part.weight.shape, generator=draws))
    return net


def write_pictures(path, count=60):
    save_file({"images": images(count), "labels": labels(count)}, path)
    return path


def arguments(folder, data, *more):
    """The command line of a run that takes a second; later options win."""
    settings = "--widths 16 --blocks 1 --rank 20 --batch 8 --warmup 5 --steps 24 --save-every 6 --report-every 1000 --cpu"
    return ["--out", str(folder), "--data", str(data), *settings.split(), *map(str, more)]
