"""Optimizers with moments in few bits: what a step costs, and what training loses.

    steps    one step on a matrix of about a million weights, of ours and of torchao's eager optimizers (4 and 8 bits), beside torch's own in
             32 bits; all timed in the same rounds, in processor time of one thread.  torchao is left out where it is not installed.
    losses   a flow of the ring, its two matrices of 128 x 128 quantized, trained with the moments stored in every way that the chapter
             speaks of, from the same weights on the same batches, with several seeds.  *loss* is that of flow matching on points never
             trained on, *excess* its part above the exact flow's: E|velocity - exact velocity|^2.  A training that ends in numbers that
             are not finite is recorded by the step at which it did.

About ten minutes of one core with three seeds.
"""

import functools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.overhead import interleaved
from benchmarks.record import add_numbers, parser, publish_record, record, table, told
from workbench.nets.training.batches import Batches, generator_of
from workbench.nets.training.flow_matching import FlowMatching
from workbench.nets.training.rates import Linear
from workbench.nets.training.settings import Settings
from workbench.nets.training.trainer import NonFiniteLoss, Trainer
from workbench.quantizers import SGD, AdamW, Codebook, Factored, RankOne, number_formats
from workbench.quantizers.optimizers import formats

RF = wb.schedules.Rectified()
EVEN, DYNAMIC = number_formats.linear_without_zero(), number_formats.dynamic_without_zero()
WITH_ZERO, EVEN_WITH_ZERO = number_formats.dynamic(signed=False), tuple(k / 15 for k in range(16))
DEFAULTS = {"seeds": 3, "steps": 400, "width": 128, "judged": 16_384}
BASE = "32 bits"


def blocks(values: tuple[float, ...], size: int = 128, rounding: str = "nearest") -> Codebook:
    """Levels in blocks along the flattened parameter."""
    return Codebook(values=values, block=(size,), rounding=rounding)


ADAMW: dict[str, dict[str, Any]] = {
    BASE: {"first": None, "second": None},
    "m in 4 bits, v in 32": {"second": None},
    "8 bits": formats.eight_bit(),
    "4 bits: rank one, evenly spaced": {},
    "4 bits: blocks, evenly spaced": {"second": blocks(EVEN)},
    "4 bits: rank one, dynamic": {"second": RankOne(values=DYNAMIC)},
    "4 bits: blocks, dynamic": {"second": blocks(DYNAMIC)},
    "4 bits: rank one, by chance": {"first": blocks(formats.FIRST.values, rounding="stochastic"), "second": RankOne(values=EVEN, rounding="stochastic")},
    "m in 4 bits, v factored": {"second": Factored()},
    "zero: blocks, dynamic": {"second": blocks(WITH_ZERO)},
    "zero: blocks, evenly spaced": {"second": blocks(EVEN_WITH_ZERO)},
    "zero: blocks of 2048, dynamic": {"first": blocks(formats.FIRST.values, 2048), "second": blocks(WITH_ZERO, 2048)},
}  # fmt: skip
MOMENTUM: dict[str, dict[str, Any]] = {
    BASE: {"first": None},
    "4 bits": {},
    "4 bits, by chance": {"first": blocks(formats.FIRST.values, rounding="stochastic")},
}
RATES = {"AdamW": 3e-3, "SGD": 0.1}


def maker(kind: str, settings: dict[str, Any], seed: int) -> Callable[..., torch.optim.Optimizer]:
    """What :class:`Trainer` makes its optimizer with."""
    own = settings | {"generator": generator_of(seed, 5)}
    if kind == "AdamW":
        return functools.partial(AdamW, **own)
    return lambda parameters, lr, **_: SGD(parameters, lr, momentum=0.9, **own)


def judged(flow: wb.Denoiser, count: int) -> dict[str, float]:
    """Loss and excess on the same points, noise and times for all."""
    draws = generator_of(0, 1)
    x0, noise = wb.data.toys.ring(count, generator=draws), torch.randn(count, 2, generator=draws)
    t = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    x = torch.lerp(x0, noise, t[:, None].float())
    with torch.no_grad():
        found = flow.velocity(x, t)
    loss = (found - (noise - x0)).square().mean()
    return {"loss": float(loss), "excess": float((found - wb.characters.ring(RF).velocity(x.double(), t)).square().mean())}


def trained(kind: str, settings: dict[str, Any], seed: int, chosen: dict[str, Any]) -> dict[str, Any]:
    """One training: what it ends with, and the bytes of its moments."""
    net = wb.nets.MLP(2, width=chosen["width"], generator=generator_of(seed, 2))
    data = Batches(wb.data.toys.ring(16_384, generator=generator_of(seed, 3)), None, 256, seed, flips=False)
    how = Settings(chosen["steps"], 256, RATES[kind], Linear(warmup=50), betas=(0.9, 0.999), seed=seed)
    optimizer = maker(kind, settings, seed)
    trainer = Trainer(wb.NetworkDenoiser(net, RF, "velocity"), data, FlowMatching(), how, optimizer=optimizer)
    try:
        for _ in trainer.run():
            pass
    except NonFiniteLoss:
        return {"loss": None, "excess": None, "died": trainer.step + 1, "bytes": trainer.optimizer.nbytes}
    return judged(trainer.averaged, chosen["judged"]) | {"died": None, "bytes": trainer.optimizer.nbytes}


def losses(chosen: dict[str, Any]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Optimizer -> name of the variant -> one result for each seed."""
    out: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for kind, variants in (("AdamW", ADAMW), ("SGD", MOMENTUM)):
        for name, settings in variants.items():
            began = time.process_time()
            out.setdefault(kind, {})[name] = [trained(kind, settings, seed, chosen) for seed in chosen["seeds"]]
            print(f"{kind}, {name}: {time.process_time() - began:.0f} CPU seconds", file=sys.stderr, flush=True)
    return out


def against(own: list[dict[str, Any]], base: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Mean and standard error over the seeds of the loss minus that in 32 bits; None where a training died."""
    if any(one["loss"] is None for one in own):
        return None
    gaps = [one["loss"] - other["loss"] for one, other in zip(own, base, strict=True)]
    return statistics.fmean(gaps), statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0


def loss_rows(found: dict[str, dict[str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """One line for each variant."""
    rows = []
    for kind, variants in found.items():
        for name, own in variants.items():
            gap, alive = against(own, variants[BASE]), [one["loss"] for one in own if one["loss"] is not None]
            worse = "died at " + ", ".join(str(one["died"] or "-") for one in own) if gap is None else f"{gap[0]:+.5f}±{gap[1]:.5f}"
            mean = statistics.fmean(alive) if alive else float("nan")
            rows.append(
                {"optimizer": kind, "moments": name, "loss": f"{mean:.5f}", "minus 32 bits": worse, "bytes": own[0]["bytes"]}
            )
    return rows


def stepper(make: Callable[[list[Tensor]], torch.optim.Optimizer]) -> Callable[[], object]:
    """A step on a parameter of 1024 x 1024."""
    draws = generator_of(0, 4)
    weight = torch.nn.Parameter(torch.randn(1024, 1024, generator=draws))
    weight.grad = torch.randn(1024, 1024, generator=draws)
    return make([weight]).step


def step_rows(rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of a step, and its ratio to torchao's and torch's."""
    ours = {
        "4 bits": AdamW,
        "8 bits": functools.partial(AdamW, **formats.eight_bit()),
        "32 bits": functools.partial(AdamW, **ADAMW[BASE]),
    }
    theirs: dict[str, Any] = {}
    try:
        from torchao.optim import AdamW4bit, AdamW8bit

        theirs = {"4 bits": AdamW4bit, "8 bits": AdamW8bit}
    except ImportError:
        print("torchao is not installed; its optimizers are left out", file=sys.stderr)
    rows = []
    with torch.compiler.set_stance("force_eager"):
        for name, make in ours.items():
            runs = {"ours": stepper(make), "torch": stepper(functools.partial(torch.optim.AdamW, foreach=False))}
            runs |= {"torchao": stepper(theirs[name])} if name in theirs else {}
            pair = ("ours", "torchao" if name in theirs else "torch")
            took = interleaved(runs, rounds, 0.05, pair)
            row = {f"{key} ms": 1e3 * took[key] if key in took else "" for key in ("ours", "torch", "torchao")}
            to_torchao = took["ratio"] if name in theirs else ""
            rows.append({"moments": name, **row, "ours / torch": took["ours"] / took["torch"], "ours / torchao": to_torchao})
    return [{key: float(f"{v:.3g}") if isinstance(v, float) else v for key, v in row.items()} for row in rows]


def main() -> None:
    """Time, train, print, and write if asked."""
    options = parser(__doc__)
    add_numbers(options, DEFAULTS)
    options.add_argument("--rounds", type=int, default=15, help="of the timings")
    options.add_argument("--only", choices=["steps", "losses"], help="one of the two")
    options.add_argument("--artifact", nargs="?", const="small-optimizers", metavar="NAME", help="also publish the numbers")
    o = options.parse_args()
    torch.set_num_threads(1)
    facts: dict[str, Any] = {"seeds": list(range(o.seeds)), "steps": o.steps, "width": o.width, "judged": o.judged, "rates": RATES}
    if o.only != "losses":
        facts["step_rows"] = step_rows(o.rounds)
        print(table(facts["step_rows"]))
    if o.only != "steps":
        facts["losses"] = losses(facts)
        print(table(loss_rows(facts["losses"])))
    record("optimizer", facts, o.json, seed=0)
    if o.artifact:
        command = f"python -m benchmarks.optimizer {told(o, DEFAULTS)} --artifact {o.artifact}"
        publish_record(o.artifact, facts, source="toy-training", command=command, seed=0)


if __name__ == "__main__":
    main()
