"""Does training in integers end where training in float32 does?  Flows on the ring and on pictures, with several seeds.

Each arm starts from the same weights and sees the same samples, noise and times:

    float32               as usual
    INT4                  4-bit products: Hadamard rotation, learned steps, gradients split and sampled
    INT4, no rotation     the same without the rotation
    INT8 tiles            numbers flow in 8 bits, a step for each tile of 32 x 32
    INT8 one step         the same with one step for each tensor

On the ring the network is an MLP.  *planted* multiplies the rows of four channels of each hidden layer by 30 and divides the columns that
read them, so that these channels are loud: "in one tile" of 32 channels, or "in every tile".  All arms, float32 too, start from that network.
*error* is the mean square distance to the exact velocity of the ring, over the mean square of that velocity, at uniform times.  The pictures are
the stand-ins, samples of our own network; a small transformer learns their flow, and *error* is the loss on held-out ones, with fixed
noise and times.  Three minutes of one core.
"""

import statistics
import sys
import time
from typing import Any

import torch
from torch import Tensor, nn

import workbench as wb
from benchmarks.record import add_numbers, parser, publish_record, record, table, told
from workbench.data.cifar import to_floats
from workbench.denoiser import Denoiser
from workbench.quantizers.training import int4, jetfire

RF = wb.schedules.Rectified()
DEFAULTS = {"seeds": 3, "steps": 250, "width": 64, "batch": 128, "judged": 2000, "pictures": 40}
LOUD = {"none": (), "in one tile": (3, 9, 16, 25), "in every tile": (3, 20, 40, 60)}
ARMS = ("float32", "INT4", "INT4, no rotation", "INT8 tiles", "INT8 one step")
FACTOR = 30.0
Judged = tuple[Tensor, Tensor, Tensor]


def rng(*keys: int) -> torch.Generator:
    """A generator for each use."""
    return wb.nets.training.batches.generator_of(17, *keys)


def planted(net: wb.nets.MLP, loud: tuple[int, ...], factor: float = FACTOR) -> wb.nets.MLP:
    """``net`` with these channels of every hidden layer ``factor`` times as large, and read with weights as much smaller."""
    layers, rows = [net.first, *net.hidden, net.last], list(loud)
    with torch.no_grad():
        for layer, reader in zip(layers[:-1], layers[1:], strict=True):
            layer.weight[rows] *= factor
            layer.bias[rows] *= factor
            reader.weight[:, rows] /= factor
    return net


def form(arm: str, net: nn.Module, sample: tuple[Tensor, Tensor], seed: int) -> Denoiser:
    """The flow of ``net`` in the form of an arm."""
    model = wb.NetworkDenoiser(net, RF, "velocity")
    if arm == "float32":
        return model
    if arm.startswith("INT4"):
        return int4(model, *sample, generator=rng(5, seed), most=1 if "no rotation" in arm else 64)
    return jetfire(model, generator=rng(5, seed), side=None if "one step" in arm else 32)


def judge(flow: Denoiser, judged: Judged) -> float:
    """Mean square error of the velocity over the mean square of what it should be."""
    x, t, target = judged
    with torch.no_grad():
        return digits((flow.velocity(x, t) - target).square().mean() / target.square().mean())


def points(number: int) -> Judged:
    """Held-out points of the ring on their way to noise, their times, and the exact velocity there."""
    x0, z = wb.data.toys.ring(number, generator=rng(1)), torch.randn(number, 2, generator=rng(2))
    t = torch.rand(number, generator=rng(3), dtype=torch.float64)
    x = ((1 - t[:, None]) * x0 + t[:, None] * z).float()
    return x, t, wb.characters.ring(RF).velocity(x.double(), t).float()


def pictures(number: int) -> tuple[Tensor, Judged]:
    """Stand-ins to learn from, and held-out ones on their way to noise, with times and the velocities of their lines."""
    images = to_floats(wb.artifacts.load("stand-in-images").images)
    x0, z = images[-number:], torch.randn(number, *images.shape[1:], generator=rng(6))
    t = torch.rand(number, generator=rng(7), dtype=torch.float64)
    share = t.float()[:, None, None, None]
    return images[:-number], ((1 - share) * x0 + share * z, t, z - x0)


def curve(flow: Denoiser, data: Tensor, judged: Judged, settings: dict[str, Any], seed: int) -> list[float]:
    """The error of the averaged network after each number of steps in ``settings["kept"]``."""
    found = []

    def watch(step: Any, averaged: Denoiser) -> None:
        if step.number in settings["kept"]:
            found.append(judge(averaged, judged))

    wb.nets.fit(
        flow,
        data,
        steps=settings["kept"][-1],
        batch=settings["batch"],
        rate=settings["rate"],
        generator=rng(9, seed),
        callback=watch,
    )
    return found


def on_points(settings: dict[str, Any]) -> dict[str, dict[str, list[list[float]]]]:
    """Where channels are loud -> arm -> a curve for each seed."""
    judged, out = points(settings["judged"]), {}
    for where, loud in LOUD.items():
        for seed in settings["seeds"]:
            data = wb.data.toys.ring(4000, generator=rng(8, seed))
            for arm in ARMS if where != "in one tile" else (ARMS[0], *ARMS[3:]):
                net = planted(wb.nets.MLP(2, width=settings["width"], generator=rng(4, seed)), loud)
                flow = form(arm, net, (judged[0][:256], judged[1][:256].float()), seed)
                out.setdefault(where, {}).setdefault(arm, []).append(curve(flow, data, judged, settings, seed))
    return out


def on_pictures(settings: dict[str, Any]) -> dict[str, list[list[float]]]:
    """Arm -> a curve for each seed."""
    data, judged = pictures(64)
    out: dict[str, list[list[float]]] = {}
    for seed in settings["seeds"]:
        for arm in ("float32", "INT4", "INT8 tiles"):
            net = wb.nets.DiT(width=settings["width"], depth=2, heads=4, emb=64, generator=rng(4, seed))
            flow = form(arm, net, (judged[0][:16], judged[1][:16].float()), seed)
            out.setdefault(arm, []).append(curve(flow, data, judged, settings, seed))
    return out


def digits(value: Any) -> float:
    """Five digits."""
    return float(f"{float(value):.5g}")


def rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """One line for each arm: the error at the end, mean and deviation over seeds."""
    parts = [(f"ring, loud: {where}", arms) for where, arms in facts["ring"].items()] + [("pictures", facts["pictures"])]
    out = []
    for part, arms in parts:
        for arm, curves in arms.items():
            ends = [one[-1] for one in curves]
            spread = statistics.stdev(ends) if len(ends) > 1 else 0.0
            out.append({"trained on": part, "arm": arm, "error": f"{statistics.fmean(ends):.4f}", "over seeds": f"{spread:.4f}"})
    return out


def compare(settings: dict[str, Any]) -> dict[str, Any]:
    """Both tables."""
    facts: dict[str, Any] = dict(settings)
    for name, part in {"ring": on_points, "pictures": on_pictures}.items():
        began = time.process_time()
        facts[name] = part(settings["about"] | settings[f"on_{name}"])
        print(f"{name}: {time.process_time() - began:.0f} CPU seconds", file=sys.stderr, flush=True)
    return facts


def settings_of(chosen: Any) -> dict[str, Any]:
    """What the options say."""
    parts = range(1, 11)
    kept = {name: [max(getattr(chosen, name) * k // 10, k) for k in parts] for name in ("steps", "pictures")}
    return {
        "about": {"seeds": list(range(chosen.seeds)), "width": chosen.width, "judged": chosen.judged},
        "on_ring": {"batch": chosen.batch, "rate": 3e-3, "kept": kept["steps"]},
        "on_pictures": {"batch": 8, "rate": 2e-3, "kept": kept["pictures"]},
    }


def main() -> None:
    """Train, print, and write if asked."""
    options = parser(__doc__)
    add_numbers(options, DEFAULTS)
    options.add_argument("--artifact", nargs="?", const="integer-training", metavar="NAME", help="also publish the numbers")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    facts = compare(settings_of(chosen))
    print(table(rows(facts)))
    record("integer_training", facts, chosen.json, seed=17)
    if chosen.artifact:
        command = f"python -m benchmarks.integer_training {told(chosen, DEFAULTS)} --artifact {chosen.artifact}"
        publish_record(chosen.artifact, facts, source="own-training", command=command, seed=17)


if __name__ == "__main__":
    main()
