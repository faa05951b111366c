"""What a training step costs: ``wb.reflow.fit`` against loops of torchcfm and flow_matching on the ring, in one run.

Each side trains the same network (our MLP, from the same weights) on the same samples with AdamW of the same settings, gradients
clipped to norm 1: it takes a batch of the data and of noise, draws times, and asks its library for the point on the line and the
target.  ``torchcfm`` is ``ConditionalFlowMatcher(sigma=0.0)`` or, for the coupling by optimal transport,
``ExactOptimalTransportConditionalFlowMatcher``; ``flow_matching`` is ``AffineProbPath(CondOTScheduler())``.  Ours also averages the
weights and watches for losses that are not finite; theirs do neither.  ``bare`` is the same loop in plain PyTorch without a library:
no side can be far below it while the network is the same, for the network's own passes are two thirds of a step.

Rounds of a few steps alternate between the sides, in processor time of the thread, so that a busy machine does not tilt the comparison;
the table gives milliseconds a step (seconds per thousand), medians over rounds, and medians of the ratios within a round.  The libraries
are no dependencies of ours: pip install --no-deps torchcfm flow_matching POT; what is missing is left out.
"""

import gc
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

import workbench as wb
from benchmarks.record import parser, report
from workbench.nets.training.batches import Batches
from workbench.nets.training.flow_matching import FlowMatching
from workbench.nets.training.rates import Constant
from workbench.nets.training.settings import Settings
from workbench.nets.training.trainer import Trainer

GOAL, RATE, WIDTH = 0.8, 1e-3, 128
Line = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


def ours(net: nn.Module, x0: Tensor, batch: int, couple: str) -> Iterator[object]:
    """The steps of ``wb.reflow.fit``: what that function runs, a step at a time."""
    coupling = getattr(wb.reflow, couple)(x0)
    model = wb.NetworkDenoiser(net, wb.schedules.Rectified(), "velocity")
    batches = Batches(x0, None, batch, 0, flips=False, partners=coupling)
    return Trainer(model, batches, FlowMatching(), Settings(10**9, batch, RATE, Constant())).run()


def loop(net: nn.Module, x0: Tensor, batch: int, line: Line) -> Iterator[object]:
    """The loop that the examples of both libraries have: a batch, a point on its line, a squared error, a step of AdamW."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.0, foreach=True)
    while True:
        t, x, target = line(x0[torch.randint(len(x0), (batch,))])
        loss = (net(x, t) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        yield loss


def bare_line(x0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The point on the line from data to noise, in plain PyTorch."""
    z, t = torch.randn_like(x0), torch.rand(len(x0))
    return t, torch.lerp(x0, z, t[:, None]), z - x0


def torchcfm_line(couple: str) -> Line:
    """torchcfm's, from noise at 0 to data at 1; for optimal transport its plan of the batch, by POT."""
    from torchcfm.conditional_flow_matching import ConditionalFlowMatcher, ExactOptimalTransportConditionalFlowMatcher

    matcher = (
        ConditionalFlowMatcher(sigma=0.0) if couple == "independent" else ExactOptimalTransportConditionalFlowMatcher(sigma=0.0)
    )
    return lambda x1: matcher.sample_location_and_conditional_flow(torch.randn_like(x1), x1)


def flow_matching_line() -> Line:
    """flow_matching's, from noise at 0 to data at 1."""
    from flow_matching.path import AffineProbPath
    from flow_matching.path.scheduler import CondOTScheduler

    path = AffineProbPath(scheduler=CondOTScheduler())

    def line(x1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = path.sample(t=torch.rand(len(x1)), x_0=torch.randn_like(x1), x_1=x1)
        return found.t, found.x_t, found.dx_t

    return line


def missing(*modules: str) -> list[str]:
    """Those of these packages that are not there."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def sides(couple: str) -> dict[str, Callable[[nn.Module, Tensor, int], Iterator[object]]]:
    """Name -> steps of each side that can be run, ours and the bare one first; says what is left out."""
    out = {"ours": lambda net, x0, batch: ours(net, x0, batch, couple)}
    lines = {"torchcfm": (["torchcfm", "ot"], lambda: torchcfm_line(couple))}
    if couple == "independent":
        out["bare"] = lambda net, x0, batch: loop(net, x0, batch, bare_line)
        lines["flow_matching"] = (["flow_matching"], flow_matching_line)
    for name, (modules, line) in lines.items():
        if absent := missing(*modules):
            print(f"{name} is left out, {' and '.join(absent)} missing: pip install --no-deps torchcfm flow_matching POT")
        else:
            out[name] = lambda net, x0, batch, line=line: loop(net, x0, batch, line())
    return out


def measure(couple: str, batch: int, rounds: int, steps: int) -> list[dict]:
    """A row for each side."""
    x0 = wb.data.toys.ring(8192, generator=torch.Generator().manual_seed(0))
    runs = {}
    for name, start in sides(couple).items():
        runs[name] = start(wb.nets.MLP(2, width=WIDTH, generator=torch.Generator().manual_seed(1)), x0, batch)
    seen = {name: [] for name in runs}
    gc.collect()
    for number in range(rounds + 1):  # the first warms up
        for name, run in runs.items():
            begin = time.thread_time()
            for _ in range(steps):
                next(run)
            if number:
                seen[name].append((time.thread_time() - begin) / steps)
    rows = []
    for name, took in seen.items():
        ratio = statistics.median(a / b for a, b in zip(seen["ours"], took, strict=True))
        judged = name not in ("ours", "bare")
        rows.append(
            {
                "coupling": couple,
                "batch": batch,
                "side": name,
                "s per 1000 steps": round(1000 * statistics.median(took), 3),
                "ours / it": round(ratio, 3),
                "goal": ("met" if ratio <= GOAL else "missed") if judged else "",
            }
        )
    return rows


def main() -> None:
    """Measure, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--steps", type=int, default=20, help="of a round")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    rows = []
    for couple, batch in (("independent", 256), ("independent", 512), ("minibatch_ot", 256)):
        rows += measure(couple, batch, chosen.rounds, chosen.steps)
    report("training", rows, chosen.json, seed=0)


if __name__ == "__main__":
    main()
