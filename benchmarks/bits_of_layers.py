"""Which layers deserve bits?  Four ways to share a budget among the layers of a network of CIFAR-10, judged on noise that none has seen.

The damage of an allocation is the mean square error of the velocity on the straight lines of ``Rectified``, E |v_q - v|^2 / d, at fixed
states: pictures of the stand-in set, mixed with noise at times spread evenly.  First every layer alone at every level; then, for each
average number of bits,

    uniform        one number for all
    greedy         downward, by the layers' own damages (``wb.quantizers.allocation.greedy``)
    exact          the knapsack of the same damages, by dynamic programming
    evolution      from the uniform allocation, by measured joint damage alone
    refined        evolution from the exact one

each with the damage that its layers' own damages add up to, what it measures on the states of the search, and on held-out ones.  What
each has cost is counted in pictures that the network looked at.  Under ten minutes of one slow core.
"""

import statistics
import sys
import time
from typing import Any

import torch

import workbench as wb
from benchmarks.record import add_numbers, parser, publish_record, record, table, told
from workbench.nets.training.batches import generator_of
from workbench.quantizers import Affine, BitBudget, LayerBank, additive, allocation, each_alone, velocity_damage
from workbench.quantizers.allocating import Damage
from workbench.search import Evolution, Stage, evolve

SEED = 7
LEVELS = (2, 3, 4, 6, 8)
DEFAULTS = {"samples": 8, "first": 2, "held": 24, "generations": 80, "offspring": 6, "survivors": 2, "random": 6}


def rng(*keys: int) -> torch.Generator:
    """A generator for each use."""
    return generator_of(SEED, *keys)


def states(model: wb.Denoiser, pictures: torch.Tensor, count: int, key: int) -> Damage:
    """The damage at ``count`` states: one picture, one noise and one time each, times evenly spread and in random order."""
    draws = rng(key)
    x0 = pictures[torch.randperm(len(pictures), generator=draws)[:count]]
    noise = torch.randn(x0.shape, generator=draws)
    t = 0.05 + 0.9 * (torch.randperm(count, generator=draws) + torch.rand(count, generator=draws)) / count
    mixed = t.view(-1, *[1] * (x0.ndim - 1))
    return velocity_damage(model, (1 - mixed) * x0 + mixed * noise, t, batch=8)


def digits(value: Any) -> float:
    """Five digits."""
    return float(f"{float(value):.5g}")


def said(message: str, begun: float) -> None:
    """How far it is, to the terminal."""
    print(f"{time.process_time() - begun:6.0f} CPU s: {message}", file=sys.stderr, flush=True)


def compare(model: wb.Denoiser, pictures: torch.Tensor, averages: tuple[float, ...], settings: dict[str, int]) -> dict[str, Any]:
    """Everything that is recorded."""
    begun, n = time.process_time(), settings["samples"]
    quantizers = {b: Affine(bits=b, block=(1, 32)) for b in LEVELS}
    bank = LayerBank(model, quantizers)
    searched, held = (states(model, pictures, count, key) for key, count in ((1, n), (2, settings["held"])))
    alone = each_alone(bank, searched)
    said("each layer alone", begun)
    rows, search = [], settings_of(settings)
    for average in averages:
        budget = BitBudget(bank.sizes, average, LEVELS)
        table_pictures = n * len(LEVELS) * len(bank.names)
        found: dict[str, tuple[tuple[int, ...], int, list[float]]] = {"uniform": (budget.uniform(), 0, [])}
        for name, share in (("greedy", allocation.greedy), ("exact", allocation.exact)):
            found[name] = (tuple(share(alone, bank.sizes, budget.bits)), table_pictures, [])
        for name, start, before in (("evolution", "uniform", 0), ("refined", "exact", table_pictures)):
            result = evolve(
                found[start][0], budget.mutate, lambda bits, stage: searched(bank.at(bits), stage.samples), search, generator=rng(3)
            )
            found[name] = (result.best, before + result.samples, [digits(one.fitness) for one in result.history])
            said(f"{name} at {average} bits", begun)
        for name, (bits, paid, history) in found.items():
            each = held.each(bank.at(bits))
            row = {"average": average, "method": name, "paid": paid, "bits": list(budget.check(bits)), "history": history}
            row |= {"predicted": digits(additive(alone, bits)), "searched": digits(searched(bank.at(bits)))}
            rows.append(row | {"held": digits(each.mean()), "held_each": [digits(one) for one in each]})
    together = []
    for average in (3.0, 4.0, 6.0):
        budget, draws = BitBudget(bank.sizes, average, LEVELS), rng(4, int(average))
        for _ in range(settings["random"]):
            bits = budget.start(draws)
            for _ in range(20):
                bits = budget.mutate(bits, draws)
            together.append([digits(additive(alone, bits)), digits(searched(bank.at(bits)))])
    said("random allocations", begun)
    return settings | {
        "levels": list(LEVELS), "names": list(bank.names), "sizes": list(bank.sizes), "together": together, "rows": rows,
        "alone": [[digits(errors[b]) for b in LEVELS] for errors in alone], "seconds": round(time.process_time() - begun),
    }  # fmt: skip


def settings_of(settings: dict[str, int]) -> Evolution:
    """Two stages: a coarse look at all children, a finer one at the best."""
    stages = (Stage(settings["first"], settings["survivors"]), Stage(settings["samples"], 1))
    return Evolution(settings["generations"], settings["offspring"], stages)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its lists, and the standard error of its held-out damage."""
    out = {name: value for name, value in row.items() if not isinstance(value, list)}
    return out | {"±": statistics.stdev(row["held_each"]) / len(row["held_each"]) ** 0.5}


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--network", default="cifar10-dit", help="an artifact (default cifar10-dit)")
    options.add_argument("--average", type=float, nargs="+", default=(3.0, 4.0), help="bits for each weight")
    add_numbers(options, DEFAULTS)
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    chosen = options.parse_args()
    if chosen.held < 2 or not 1 <= chosen.first <= chosen.samples:
        options.error("needs two held-out states at least, and no more states in the first stage than in the second")
    torch.set_num_threads(1)
    settings = {name: getattr(chosen, name) for name in DEFAULTS}
    model = wb.artifacts.load(chosen.network).on(wb.schedules.Rectified())
    pictures = wb.artifacts.load("stand-in-images").images
    facts = compare(model, wb.data.to_floats(pictures), tuple(chosen.average), settings)
    facts |= {"network": chosen.network, "network_sha256": wb.artifacts.describe(chosen.network)["sha256"]}
    print(table([shown(row) for row in facts["rows"]]))
    record("bits_of_layers", facts, chosen.json, seed=SEED)
    if chosen.artifact:
        averages = " ".join(f"{one:g}" for one in chosen.average)
        command = f"python -m benchmarks.bits_of_layers --network {chosen.network} --average {averages} {told(chosen, DEFAULTS)} --artifact"
        publish_record("bits-of-layers", facts, source="own-network", command=command, seed=SEED)


if __name__ == "__main__":
    main()
