"""Does a network learn faster when a Gaussian does the easy part?  Four preconditionings of one small U-Net, trained on CIFAR-10.

    edm             base and scale of N(0, s^2 I), s^2 the mean variance of a pixel
    edm, shown      the same, but F also sees the linear estimate G as three more channels
    gaussian        base G, the exact denoiser of the law with CIFAR-10's mean and covariance, and its scale; F does not see G
    gaussian, shown the same, and F sees G: ``GaussianPreconditioned`` as it comes

Everything else is shared.  For each seed all four see the same pictures and the same noise at the same levels, in the same order, and
start from the same draws of weights (two of them have three more input channels).  The error is that of the averaged weights on test
pictures, mean square for each entry, with the same noise for all.  Then every network draws pictures, all from the same noise, and
their Frechet distance to the training images is taken on the features of our classifier (never to be confused with FID), beside those
of the Gaussian law's own pictures from that noise and of the test pictures.  About fifteen minutes of one core; ``--steps 20000
--widths 64,128,192 --blocks 2`` is the same question at the size of the network of the book.
"""

import itertools
import shlex
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.record import parser, publish_record, record, table
from benchmarks.teleport import features_distance, noise, run
from workbench.artifacts.command_line import integers
from workbench.gaussian import GaussianDenoiser, GaussianPreconditioned
from workbench.nets import UNet
from workbench.nets.training.batches import Batches
from workbench.nets.training.levels import LogNormal
from workbench.nets.training.objective import Denoising
from workbench.nets.training.rates import Constant
from workbench.nets.training.settings import Settings
from workbench.nets.training.trainer import Trainer

SIGMAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LEVELS = LogNormal(-0.7, 1.1)
VARIANTS = ["edm", "edm, shown", "gaussian", "gaussian, shown"]
SAMPLER, SAMPLER_STEPS = wb.solvers.UniPC(), 10


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


def train(
    model: wb.Denoiser, batches: Batches, checkpoints: tuple[int, ...], rate: float, measure: Callable[[wb.Denoiser], list[float]]
) -> tuple[list[list[float]], wb.Denoiser]:
    """Run the package's own loop; what ``measure`` says of the averaged weights at each checkpoint, and the model they make."""
    settings = Settings(checkpoints[-1], batches.batch, rate, Constant(warmup=50), halflife=1e9, seed=batches.seed)
    trainer = Trainer(model, batches, Denoising(LEVELS), settings)
    found = [measure(trainer.averaged) for step in trainer.run() if step.number in checkpoints]
    return found, trainer.averaged


def drawn(model: wb.Denoiser, start: Tensor) -> Tensor:
    """The pictures of ``model`` from the noise ``start``: ten evaluations each."""
    return run(model, start, wb.grids.karras(model.schedule, SAMPLER_STEPS, stop=0.0), SAMPLER, batch=64)[0]


def compare(train_images: Tensor, test_images: Tensor, law: GaussianDenoiser, settings: dict[str, Any]) -> dict[str, Any]:
    """All variants with all seeds: errors[variant][seed][checkpoint][sigma] and quality[variant][seed], beside those of the laws alone.

    A quality is a Frechet distance and its standard error; there is none where the settings ask for too few samples for one.
    """
    clean = wb.data.cifar.to_floats(test_images[: settings["test_images"]])
    sigmas, checkpoints = settings["sigmas"], settings["checkpoints"]
    made = {name: wrap for name, wrap in variants(law).items() if name in settings["variants"]}
    out, quality, sizes = {name: [] for name in made}, {}, {}
    distance = features_distance(settings["samples"])
    start = noise(law.schedule, tuple(clean.shape[1:]), settings["samples"]) if distance else None
    for (name, wrap), seed in itertools.product(made.items(), settings["seeds"]):
        began = time.process_time()
        shown = 6 if name.endswith("shown") else 3
        net = network(shown, settings["widths"], settings["blocks"], clean.shape[-1], seed)
        batches = Batches(train_images, None, settings["batch"], seed=seed)
        found, model = train(wrap(net), batches, checkpoints, settings["rate"], lambda model: errors(model, clean, sigmas))
        out[name].append(found)
        if distance is not None:
            quality.setdefault(name, []).append(distance(drawn(model, start)))
        sizes[name] = sum(p.numel() for p in net.parameters())
        spent = time.process_time() - began
        print(f"{name}, seed {seed}: {spent:.0f} CPU seconds", found[-1], quality.get(name), file=sys.stderr, flush=True)
    if distance is not None:
        quality["law alone"] = [distance(law.flow(start, law.schedule.t_first, 0.0))]
        quality["test pictures"] = [distance(wb.data.cifar.to_floats(test_images[: len(start)]))]
    isotropic = wb.EDMDenoiser(lambda x, times: 0 * x, GaussianPreconditioned(abs, law).spread, law.schedule)
    return {
        **settings,
        "sampler": f"{SAMPLER_STEPS} steps of {type(SAMPLER).__name__} on the Karras grid",
        "parameters": sizes,
        "errors": out,
        "quality": quality,
        "gaussian": errors(law, clean, sigmas),
        "isotropic": errors(isotropic, clean, sigmas),
        "scale": {name: [float(wrap(abs).scale(s)) for s in sigmas] for name, wrap in made.items()},
    }


def rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """At the last checkpoint, mean over seeds ± standard deviation: errors in units of the Gaussian law's own, and the Frechet distance."""
    floor, out = torch.tensor(facts["gaussian"]), []
    for name, found in facts["errors"].items():
        columns = dict(zip((f"sigma {s:g}" for s in facts["sigmas"]), (torch.tensor(found)[:, -1] / floor).T, strict=True))
        if name in facts["quality"]:
            columns["frechet"] = torch.tensor(facts["quality"][name])[:, 0]
        spreads = {key: values.std() if len(values) > 1 else 0.0 for key, values in columns.items()}
        out.append({"variant": name, **{key: f"{values.mean():.3f}±{spreads[key]:.3f}" for key, values in columns.items()}})
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
    options.add_argument("--samples", type=int, default=640, help="pictures that each network draws; 0 draws none")
    options.add_argument(
        "--artifact", nargs="?", const="preconditioning", metavar="NAME", help="also publish the numbers with the package"
    )
    chosen = options.parse_args()
    torch.set_num_threads(1)
    checkpoints = tuple(sorted({max(chosen.steps // part, 1) for part in (8, 4, 2, 1)}))
    settings = {
        "variants": chosen.variants, "seeds": list(range(chosen.seeds)), "checkpoints": checkpoints, "sigmas": SIGMAS, "widths": chosen.widths,
        "blocks": chosen.blocks, "batch": chosen.batch, "rate": chosen.rate, "levels": [LEVELS.mean, LEVELS.std],
        "test_images": chosen.test_images, "samples": chosen.samples,
    }  # fmt: skip
    images = [wb.data.cifar10(split, chosen.data).images for split in ("train", "test")]
    facts = compare(*images, wb.characters.cifar10(wb.schedules.VE()), settings)
    print(table(rows(facts)))
    for name in ("law alone", "test pictures"):
        print(f"Frechet distance of the {name}:", *(f"{value:.3f}" for value, _ in facts["quality"].get(name, [])))
    record("preconditioning", facts, chosen.json, seed=0)
    if chosen.artifact:
        publish_record(chosen.artifact, facts, source=chosen.source, command=command(options, chosen), seed=0)


if __name__ == "__main__":
    main()
