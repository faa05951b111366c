"""What helps a reflow?  Times, premetrics, batches and starts, compared on the ring with several seeds.

The pairs come from the exact flow of the ring, so every error is that of the training.  For each seed all variants of a table see the
same pairs in the same order and start from the same weights; times are drawn through the same uniform numbers.  Three tables:

    second   the second round: {uniform, U-shaped} x {squared, pseudo-Huber} x batch, judged by its single Euler step from t = 1
    first    the first round: times and premetrics that suit it or not, judged by its distance to the exact velocity
    starts   the second round from four starts: a plain network, the affine flow of the pairs, a trained denoiser by exact change of
             schedule, and that denoiser's body on the affine flow

*miss* is the root mean square distance of one step to where the exact flow ends, *energy* the energy distance of these points to exact
samples of the ring.  Two minutes of one core.
"""

import copy
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import workbench as wb
from benchmarks.record import add_numbers, parser, publish_record, record, table, told
from workbench.denoiser import Denoiser
from workbench.reflow import FlowPreconditioned, LogitNormal, PseudoHuber, Squared, Uniform, UShaped

RF = wb.schedules.Rectified()
TIMES = {"uniform": Uniform(), "U-shaped": UShaped(4.0), "logit-normal": LogitNormal()}
PREMETRICS = {"squared": Squared(), "pseudo-Huber": PseudoHuber()}
FIRST = (("uniform", "squared"), ("logit-normal", "squared"), ("U-shaped", "squared"), ("uniform", "pseudo-Huber"))
DEFAULTS = {"seeds": 3, "steps": 300, "width": 64, "pairs": 4000, "judged": 3000}
STARTS = ("plain network", "affine flow", "denoiser", "denoiser's body on the affine flow")


def rng(*keys: int) -> torch.Generator:
    """A generator for each use."""
    return wb.nets.training.batches.generator_of(11, *keys)


def exact_pairs(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise, and where the exact flow of the ring carries it: (x_0, z)."""
    noise = torch.randn(number, 2, generator=generator)
    return wb.reflow.simulate(wb.characters.ring(RF), noise, steps=24), noise


def one_step(flow: Denoiser, noise: Tensor) -> Tensor:
    """z - velocity(z, 1)."""
    with torch.no_grad():
        return noise - flow.velocity(noise, 1.0)


def judge(flow: Denoiser, held_out: tuple[Tensor, Tensor], data: Tensor, times: tuple[float, ...]) -> dict[str, Any]:
    """Miss and energy of one step, and the loss E|velocity - (z - x_0)|^2 at each of the times, all on pairs not trained on."""
    ends, noise = held_out
    points = one_step(flow, noise)
    with torch.no_grad():
        gaps = [(flow.velocity((1 - t) * ends + t * noise, t) - (noise - ends)).square().sum(1).mean() for t in times]
    return {
        "miss": digits((points - ends).square().sum(1).mean().sqrt()),
        "energy": digits(wb.metrics.energy_distance(points, data)),
        "loss": [digits(gap) for gap in gaps],
    }


def judge_first(flow: Denoiser, points: Tensor, noise: Tensor, data: Tensor, times: tuple[float, ...]) -> dict[str, Any]:
    """E|velocity - exact velocity|^2 at each of the times on the first round's own lines, and the energy distance of its ends."""
    ring, gaps = wb.characters.ring(RF), []
    for t in times:
        x = (1 - t) * points + t * noise
        with torch.no_grad():
            gaps.append(digits((flow.velocity(x, t) - ring.velocity(x.double(), t)).square().sum(1).mean()))
    ends = wb.reflow.simulate(flow, noise, steps=24)
    return {"excess": gaps, "energy": digits(wb.metrics.energy_distance(ends, data))}


def digits(value: Any) -> float:
    """Five digits."""
    return float(f"{float(value):.5g}")


def negated(net: nn.Module) -> nn.Module:
    """The same network with the sign of its last layer turned: the rest of a velocity is minus that of the data, over t."""
    out = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in out.last.parameters():
            parameter.neg_()
    return out


def second(settings: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Name of the variant -> one result for each seed."""
    held_out, data = exact_pairs(settings["judged"], rng(1)), wb.data.toys.ring(settings["judged"], generator=rng(2))
    out: dict[str, list[dict[str, Any]]] = {}
    for seed in settings["seeds"]:
        coupling = wb.reflow.paired(*exact_pairs(settings["pairs"], rng(3, seed)))
        for density, premetric, batch in itertools.product(("uniform", "U-shaped"), PREMETRICS, settings["batches"]):
            net = wb.nets.MLP(2, width=settings["width"], generator=rng(4, seed))
            flow = wb.reflow.fit(
                net, coupling, steps=settings["steps"], batch=batch, times=TIMES[density], premetric=PREMETRICS[premetric],
                generator=rng(5, seed),
            )  # fmt: skip
            found = judge(flow, held_out, data, settings["times"])
            out.setdefault(f"{density}, {premetric}, {batch}", []).append(found)
    out["exact flow"] = [{"miss": 0.0, "energy": digits(wb.metrics.energy_distance(held_out[0], data))}]
    return out


def first(settings: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The same for the first round, with the largest batch."""
    points, data = (wb.data.toys.ring(settings["judged"], generator=rng(key)) for key in (6, 2))
    noise = torch.randn(points.shape, generator=rng(7))
    out: dict[str, list[dict[str, Any]]] = {}
    for seed in settings["seeds"]:
        coupling = wb.reflow.independent(wb.data.toys.ring(settings["pairs"], generator=rng(8, seed)))
        for density, premetric in FIRST:
            net = wb.nets.MLP(2, width=settings["width"], generator=rng(4, seed))
            flow = wb.reflow.fit(
                net, coupling, steps=settings["steps"], batch=max(settings["batches"]), times=TIMES[density],
                premetric=PREMETRICS[premetric], generator=rng(5, seed),
            )  # fmt: skip
            out.setdefault(f"{density}, {premetric}", []).append(judge_first(flow, points, noise, data, settings["times"]))
    return out


def starts(settings: dict[str, Any]) -> dict[str, list[list[float]]]:
    """Start -> for each seed the miss after each number of steps in ``settings["kept"]``, the first being 0."""
    ends, noise = exact_pairs(settings["judged"], rng(1))
    out: dict[str, list[list[float]]] = {name: [] for name in STARTS}
    for seed in settings["seeds"]:
        coupling = wb.reflow.paired(*exact_pairs(settings["pairs"], rng(3, seed)))
        points = wb.data.toys.ring(settings["pairs"], generator=rng(8, seed))
        for name, model in started(points, coupling, settings, seed).items():
            found = {0: distance(model, ends, noise)}

            def watch(step: Any, flow: Denoiser, found: dict[int, float] = found) -> None:
                if step.number in settings["kept"]:
                    found[step.number] = distance(flow, ends, noise)

            batch = max(settings["batches"])
            wb.reflow.fit(model, coupling, steps=settings["kept"][-1], batch=batch, generator=rng(5, seed), callback=watch)
            out[name].append([found[k] for k in settings["kept"]])
    return out


def distance(flow: Denoiser, ends: Tensor, noise: Tensor) -> float:
    """The miss of one step."""
    return digits((one_step(flow, noise) - ends).square().sum(1).mean().sqrt())


def started(points: Tensor, coupling: wb.reflow.Coupling, settings: dict[str, Any], seed: int) -> dict[str, Denoiser]:
    """The four starts of one seed."""
    law = wb.gaussian.GaussianDenoiser.fit(points.double(), wb.schedules.VE())
    raw = wb.nets.MLP(2, width=settings["width"], inputs=4, generator=rng(4, seed))
    denoiser = wb.nets.fit(
        wb.gaussian.GaussianPreconditioned(raw, law), points, steps=settings["steps"], batch=max(settings["batches"]),
        generator=rng(9, seed),
    )  # fmt: skip
    body = negated(denoiser.net)
    plain = wb.nets.MLP(2, width=settings["width"], generator=rng(4, seed))
    straight = wb.gaussian.GaussianCoupling.fit(coupling.x0, coupling.partners, law.covariance)
    independent = wb.gaussian.GaussianCoupling(law.mean, law.covariance, 0.0)
    models = (
        wb.NetworkDenoiser(plain, RF, "velocity"), FlowPreconditioned(raw, straight), FlowPreconditioned(body, independent),
        FlowPreconditioned(body, straight),
    )  # fmt: skip
    return dict(zip(STARTS, models, strict=True))


def spread(values: list[float]) -> str:
    """Mean ± standard error over the seeds."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.4f}±{error:.4f}"


def rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """One line for each variant of each table: the error is a miss in the second round, a mean excess over the times in the first."""
    out = []
    for name, found in facts["second"].items():
        error, energy = ([one[key] for one in found] for key in ("miss", "energy"))
        out.append({"round": 2, "variant": name, "error": spread(error), "energy": spread(energy)})
    for name, found in facts["first"].items():
        error, energy = [statistics.fmean(one["excess"]) for one in found], [one["energy"] for one in found]
        out.append({"round": 1, "variant": name, "error": spread(error), "energy": spread(energy)})
    for name, found in facts["starts"].items():
        out.append({"round": 2, "variant": f"start: {name}", "error": spread([one[-1] for one in found]), "energy": "-"})
    return out


def compare(settings: dict[str, Any]) -> dict[str, Any]:
    """All three tables."""
    parts: dict[str, Callable[[dict[str, Any]], Any]] = {"second": second, "first": first, "starts": starts}
    facts: dict[str, Any] = dict(settings)
    for name, part in parts.items():
        began = time.process_time()
        facts[name] = part(settings)
        print(f"{name}: {time.process_time() - began:.0f} CPU seconds", file=sys.stderr, flush=True)
    return facts


def main() -> None:
    """Train, print, and write if asked."""
    options = parser(__doc__)
    add_numbers(options, DEFAULTS)
    options.add_argument("--artifact", nargs="?", const="reflow-training", metavar="NAME", help="also publish the numbers")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    settings = {
        "seeds": list(range(chosen.seeds)), "steps": chosen.steps, "width": chosen.width, "pairs": chosen.pairs, "judged": chosen.judged,
        "batches": [64, 256], "times": [0.02, *(k / 10 for k in range(1, 10)), 0.98],
        "kept": [0, *(max(chosen.steps // part, 1) for part in (12, 6, 3, 2))],
    }  # fmt: skip
    facts = compare(settings)
    print(table(rows(facts)))
    record("reflow_training", facts, chosen.json, seed=11)
    if chosen.artifact:
        command = f"python -m benchmarks.reflow_training {told(chosen, DEFAULTS)} --artifact {chosen.artifact}"
        publish_record(chosen.artifact, facts, source="toy-training", command=command, seed=11)


if __name__ == "__main__":
    main()
