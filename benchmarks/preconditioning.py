"""Does a network learn faster when a Gaussian does the easy part?  Four preconditionings of one small U-Net, trained on CIFAR-10.

    edm             base and scale of N(0, s^2 I), s^2 the mean variance of a pixel
    edm, shown      the same, but F also sees the linear estimate G as three more channels
    gaussian        base G, the exact denoiser of the law with CIFAR-10's mean and covariance, and its scale; F does not see G
    gaussian, shown the same, and F sees G: ``GaussianPreconditioned`` as it comes

Everything else is shared.  For each seed all four see the same pictures and the same noise at the same levels, in the same order, and
start from the same draws of weights (two of them have three more input channels).  The error is that of the averaged weights on test
pictures, mean square for each entry, with the same noise for all.  About ten minutes of one core; ``--steps 20000 --widths 64,128,192
--blocks 2`` is the same question at the size of the network of the book.
"""

import shlex
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.record import parser, publish_record, record, table
from workbench.artifacts.command_line import integers
from workbench.gaussian import GaussianDenoiser, GaussianPreconditioned
from workbench.nets import UNet
from workbench.nets.training.averaging import Average
from workbench.nets.training.batches import Batches
from workbench.nets.training.levels import LogNormal
from workbench.nets.training.objective import Denoising

SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LEVELS = LogNormal(-0.7, 1.1)
VARIANTS = ["edm", "edm, shown", "gaussian", "gaussian, shown"]


@dataclass(frozen=True)
class ShownEDM(wb.EDMDenoiser):
    """EDM's formula around a network that is shown 2 G beside its input."""

    law: GaussianDenoiser | None = None

    def inputs(self, x: Tensor, t: float | Tensor, base: Tensor) -> Tensor:
        """c_in y, and 2 G beside it."""
        return torch.cat([super().inputs(x, t, base), 2 * self.law.data(x, t)], dim=1)


def variants(law: GaussianDenoiser) -> dict[str, Any]:
    """Name -> what puts the preconditioning around a network."""
    spread = GaussianPreconditioned(abs, law).spread
    return {
        "edm": lambda net: wb.EDMDenoiser(net, spread, law.schedule),
        "edm, shown": lambda net: ShownEDM(net, spread, law.schedule, law=law),
        "gaussian": lambda net: GaussianPreconditioned(net, law, shows_base=False),
        "gaussian, shown": lambda net: GaussianPreconditioned(net, law),
    }


def network(inputs: int, widths: tuple[int, ...], blocks: int, side: int, seed: int) -> UNet:
    """A U-Net without classes; the same seed gives the same weights wherever two of them have the same layer."""
    settings = {"widths": widths, "blocks": blocks, "emb": 128, "side": side}
    net = UNet(inputs=3, **settings, generator=torch.Generator().manual_seed(seed))
    if inputs == 3:
        return net
    wider = UNet(inputs=inputs, **settings, generator=torch.Generator().manual_seed(seed))
    same = {name: value for name, value in net.state_dict().items() if name != "fold.weight"}
    wider.load_state_dict({**wider.state_dict(), **same})
    return wider


def errors(model: wb.Denoiser, clean: Tensor, sigmas: tuple[float, ...]) -> list[float]:
    """Mean square error for each entry at each noise level, in five digits, on the same noise for all who are asked."""
    found = wb.nets.denoising_errors(model, clean, sigmas, generator=torch.Generator().manual_seed(1))
    return [float(f"{error:.5g}") for error in found.tolist()]


def train(wrap, net: UNet, batches: Batches, checkpoints: tuple[int, ...], rate: float, measure) -> list[list[float]]:
    """Train with Adam; what ``measure`` says of the averaged weights at each checkpoint."""
    model, objective = wrap(net), Denoising(LEVELS)
    average = Average(net, halflife=1e9, ramp=0.1)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate, betas=(0.9, 0.99))
    found = []
    for step in range(checkpoints[-1]):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50)
        images, _, draws = batches.at(step)
        loss = objective.losses(model, images, draws)[0].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        average.update(net, batches.batch, (step + 1) * batches.batch)
        if step + 1 in checkpoints:
            found.append(measure(wrap(average.net)))
    return found


def compare(train_images: Tensor, test_images: Tensor, law: GaussianDenoiser, settings: dict[str, Any]) -> dict[str, Any]:
    """All variants with all seeds: errors[variant][seed][checkpoint][sigma], beside those of the two laws alone."""
    clean = wb.data.cifar.to_floats(test_images)
    sigmas, checkpoints = settings["sigmas"], settings["checkpoints"]
    made, out, sizes = {name: wrap for name, wrap in variants(law).items() if name in settings["variants"]}, {}, {}
    labels = torch.zeros(len(train_images), dtype=torch.int64)
    for name, wrap in made.items():
        out[name] = []
        for seed in settings["seeds"]:
            start = time.process_time()
            shown = 6 if name.endswith("shown") else 3
            net = network(shown, settings["widths"], settings["blocks"], clean.shape[-1], seed)
            batches = Batches(train_images, labels, settings["batch"], seed=seed)
            measure = lambda model: errors(model, clean, sigmas)  # noqa: E731
            out[name].append(train(wrap, net, batches, checkpoints, settings["rate"], measure))
            sizes[name] = sum(p.numel() for p in net.parameters())
            print(
                f"{name}, seed {seed}: {time.process_time() - start:.0f} CPU seconds",
                out[name][-1][-1],
                file=sys.stderr,
                flush=True,
            )
    isotropic = wb.EDMDenoiser(lambda x, times: 0 * x, GaussianPreconditioned(abs, law).spread, law.schedule)
    return {
        **settings,
        "test_images": len(clean),
        "parameters": sizes,
        "errors": out,
        "gaussian": errors(law, clean, sigmas),
        "isotropic": errors(isotropic, clean, sigmas),
        "scale": {name: [float(wrap(abs).scale(s)) for s in sigmas] for name, wrap in made.items()},
    }


def rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The last checkpoint: mean over seeds of the error, in units of the Gaussian law's own, with its standard deviation."""
    floor, out = torch.tensor(facts["gaussian"]), []
    for name, found in facts["errors"].items():
        last = torch.tensor(found)[:, -1] / floor
        spread = last.std(0) if len(last) > 1 else torch.zeros_like(last[0])
        cells = [f"{m:.3f}±{s:.3f}" for m, s in zip(last.mean(0).tolist(), spread.tolist(), strict=True)]
        out.append({"variant": name, **dict(zip((f"sigma {s:g}" for s in facts["sigmas"]), cells, strict=True))})
    return out


def command(options: ArgumentParser, chosen: Namespace) -> str:
    """The command line that makes these numbers again, wherever the images are."""
    words = ["python -m benchmarks.preconditioning --data FOLDER"]
    for key, value in vars(chosen).items():
        if key not in ("data", "json") and value != options.get_default(key):
            parts = value if isinstance(value, list) else [",".join(map(str, value))] if isinstance(value, tuple) else [str(value)]
            words.append(" ".join([f"--{key.replace('_', '-')}", *map(shlex.quote, parts)]))
    return " ".join(words)


def main() -> None:
    """Train, print the errors, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--data", help="folder with CIFAR-10 (default: the cache folder; downloaded when missing)")
    options.add_argument("--source", choices=["official", "jpeg-copy"], default="official", help="which images the folder holds")
    options.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="NAME", help=", ".join(VARIANTS))
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--steps", type=int, default=400)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--widths", type=integers, default=(32, 48, 64))
    options.add_argument("--blocks", type=int, default=1)
    options.add_argument("--rate", type=float, default=2e-3, help="learning rate, reached after 50 steps")
    options.add_argument("--test-images", type=int, default=256)
    options.add_argument(
        "--artifact", nargs="?", const="preconditioning", metavar="NAME", help="also publish the numbers with the package"
    )
    chosen = options.parse_args()
    torch.set_num_threads(1)
    checkpoints = tuple(sorted({max(chosen.steps // part, 1) for part in (8, 4, 2, 1)}))
    settings = {
        "variants": chosen.variants, "seeds": list(range(chosen.seeds)), "checkpoints": checkpoints, "sigmas": SIGMAS, "widths": chosen.widths,
        "blocks": chosen.blocks, "batch": chosen.batch, "rate": chosen.rate, "levels": [LEVELS.mean, LEVELS.std],
    }  # fmt: skip
    images = [wb.data.cifar10(split, chosen.data).images for split in ("train", "test")]
    facts = compare(images[0], images[1][: chosen.test_images], wb.characters.cifar10(wb.schedules.VE()), settings)
    print(table(rows(facts)))
    record("preconditioning", facts, chosen.json, seed=0)
    if chosen.artifact:
        publish_record(chosen.artifact, facts, source=chosen.source, command=command(options, chosen), seed=0)


if __name__ == "__main__":
    main()
