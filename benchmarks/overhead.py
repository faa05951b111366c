"""What a sampler costs beside its model: microseconds a step on a free model, against a bare loop and against diffusers.

The model returns one tensor made beforehand, so that everything left is the sampler's own.  For every solver of the package, for a
model that predicts data and one that predicts noise, at batch 1 and 512 of 3 x 32 x 32 float32, on one thread:

    steps   ``wb.solve`` with its plan already made
    bare    a loop of the same tensor operations (multiply-adds, conversions, draws) and nothing else
    theirs  ``step`` of the diffusers scheduler of that name, the same number of steps (draws are free on both sides)
    plan    the table of coefficients, on a schedule never used before (cold) and again (warm)

All are timed in the same rounds, one after the other, in processor time of the thread, so that a busy machine does not tilt the
comparison; the table gives medians over the rounds, of times and of the ratios within a round.
"""

import contextlib
import gc
import importlib
import itertools
import statistics
import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import workbench as wb
from benchmarks.peers import label, peer, scheduler
from benchmarks.record import parser, publish_record, report

SHAPE = (3, 32, 32)
GOALS = {"bare": 1.5, "theirs": {1: 0.25, 512: 0.6}, "theirs, Heun": 0.5}


class Free(wb.Denoiser):
    """A model without cost: it answers with one tensor, whatever it is asked."""

    def __init__(self, schedule: wb.schedules.Schedule, predicts: str, answer: Tensor) -> None:
        self.schedule, self.predicts, self.answer = schedule, predicts, answer

    def predict(self, x: Tensor, t) -> Tensor:
        """The tensor."""
        return self.answer


class Planned(wb.solvers.Solver):
    """A solver whose plan is made: what ``solve`` does after planning, alone."""

    order = evaluations_per_step = 1

    def __init__(self, solver: wb.solvers.Solver, rows) -> None:
        self.rows, self.step, self.stochastic, self.regular_ends = rows, solver.step, solver.stochastic, solver.regular_ends

    def plan(self, schedule, grid):
        """The rows, already in terms of what the model predicts."""
        return self.rows

    def step(self, model, x, row, memory, draw):  # the solver's own takes its place
        """Never called."""
        raise NotImplementedError


class Operations(TorchDispatchMode):
    """Writes down the tensor operations of a run: new = c * x, out += c * y in place, and draws."""

    KINDS = ("mul", "add_", "add", "draw")

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.shape[1:] == SHAPE:
            name = func.overloadpacket.__name__
            self.kinds.append({"randn": "draw", "sub": "add", "div": "mul"}.get(name, name))
        return out


def bare(kinds: list[str], x: Tensor, generator: torch.Generator) -> Callable[[], Tensor]:
    """A loop of the same operations and nothing else, on as many different tensors as a method with a memory reads."""
    todo = list(zip(kinds, itertools.cycle([x, x.clone(), x.clone(), x.clone()])))

    def run() -> Tensor:
        with torch.no_grad():
            out = x
            for kind, other in todo:
                if kind == "mul":
                    out = 0.9 * out
                elif kind == "add_":
                    out.add_(other, alpha=0.1)
                elif kind == "add":
                    out = out.add(other, alpha=0.1)
                else:
                    torch.randn(x.shape, generator=generator)
        return out

    return run


def theirs(solver: wb.solvers.Solver, face: str, x: Tensor, steps: int):
    """(set_timesteps, all steps) of the scheduler of diffusers, or (None, None)."""
    found = peer(solver, face)
    if found is None:
        return None, None
    name, settings, extra = found
    steps = solver.evaluations(steps) if name == "DPMSolverSinglestep" else steps  # its steps are evaluations
    made, answer = scheduler(name, face, **settings), torch.zeros_like(x)

    def run() -> float:
        made.set_timesteps(steps)
        made.scale_model_input(x, made.timesteps[0])  # not timed; without it some complain at every step
        begin, state = time.thread_time(), x
        with torch.no_grad():
            for t in made.timesteps:
                state = made.step(answer, t, state, **extra).prev_sample
        return time.thread_time() - begin

    return (lambda: made.set_timesteps(steps)), run


@contextlib.contextmanager
def free_draws(solver: wb.solvers.Solver, x: Tensor):
    """Draws cost nothing, here and in diffusers."""
    noise, found = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), peer(solver)

    def free(*_, **__) -> Tensor:
        return noise

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch("workbench.solve.normal", new=free))
        if found is not None:
            module = importlib.import_module(type(scheduler(found[0], **found[1])).__module__)
            if hasattr(module, "randn_tensor"):
                stack.enter_context(mock.patch.object(module, "randn_tensor", new=free))
        yield


def clock(run: Callable[[], object]) -> float:
    """Seconds of one call; a run that times itself returns them."""
    begin = time.thread_time()
    own = run()
    return own if isinstance(own, float) else time.thread_time() - begin


def interleaved(runs: dict[str, Callable[[], object]], rounds: int, least: float, ratio: tuple[str, str]) -> dict[str, float]:
    """Median seconds of each run, and the median ``ratio``: every round times all of them, each for about ``least`` seconds."""
    inner = {}
    for name, run in runs.items():
        run()
        inner[name] = max(1, round(least / max(clock(run), 1e-7)))
    seen = {name: [] for name in runs}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, run in runs.items():
                seen[name].append(sum(clock(run) for _ in range(inner[name])) / inner[name])
    finally:
        gc.enable()
    took = {name: statistics.median(values) for name, values in seen.items()}
    first, second = ratio
    return took | {"ratio": statistics.median(a / b for a, b in zip(seen[first], seen[second], strict=True))}


def measure(solver: wb.solvers.Solver, face: str, batch: int, steps: int, rounds: int, least: float) -> dict:
    """One row of the table."""
    rng = torch.Generator().manual_seed(0)
    schedule, x = wb.schedules.VP(), torch.randn(batch, *SHAPE, generator=rng)
    grid = wb.grids.log_snr(schedule, steps, stop=0)
    free = Free(schedule, face, torch.zeros_like(x))

    def plan(schedule: wb.schedules.Schedule):
        return solver.in_terms_of(face, solver.plan(schedule, grid[:-1]), schedule)

    planned = Planned(solver, plan(schedule))

    def ours() -> None:
        wb.solve(free, x, grid, planned, generator=rng)

    def cold() -> float:
        fresh = wb.schedules.VP()
        begin = time.thread_time()
        plan(fresh)
        return time.thread_time() - begin

    def whole() -> float:
        fresh = Free(wb.schedules.VP(), face, free.answer)
        begin = time.thread_time()
        wb.solve(fresh, x, grid, solver, generator=rng)
        return time.thread_time() - begin

    ours()
    with Operations() as seen:
        ours()
    unknown = sorted(set(seen.kinds) - set(Operations.KINDS))
    kinds = [kind for kind in seen.kinds if kind in Operations.KINDS]
    prepare, run = theirs(solver, face, x, steps)
    alone = {"steps": ours, "bare": bare(kinds, x, rng)}
    if batch == 1:
        alone |= {"cold": cold, "warm": lambda: plan(schedule), "whole": whole}
    took = interleaved(alone, rounds, least, ("steps", "bare"))
    to_bare, to_theirs = took.pop("ratio"), None
    if run is not None:
        with free_draws(solver, x):
            both = interleaved({"ours": ours, "theirs": run, "set": prepare}, rounds, least, ("ours", "theirs"))
        to_theirs = both.pop("ratio")
        took |= {"theirs": both["theirs"], "set": both["set"]}
    per = {name: 1e6 * value / steps for name, value in took.items()}
    return {
        "method": label(solver),
        "predicts": face,
        "batch": batch,
        "operations": len(kinds) / steps,
        "steps us": per["steps"],
        "bare us": per["bare"],
        "steps / bare": to_bare,
        "theirs": peer(solver)[0] if run else "",
        "theirs us": per.get("theirs", ""),
        "steps / theirs": to_theirs if run else "",
        "plan cold us": per.get("cold", ""),
        "plan warm us": per.get("warm", ""),
        "set_timesteps us": per.get("set", ""),
        "all cold us": per.get("whole", ""),
        "goals": verdict(solver, batch, to_bare, to_theirs),
        "not in bare": " ".join(unknown),
    }


def verdict(solver: wb.solvers.Solver, batch: int, to_bare: float, to_theirs: float | None) -> str:
    """Which of the goals a row misses, or "met"."""
    goal = GOALS["theirs"].get(batch)
    if batch == 1 and type(solver).__name__ == "Heun":
        goal = GOALS["theirs, Heun"]
    missed = ["bare"] * (to_bare > GOALS["bare"]) + ["theirs"] * (None not in (goal, to_theirs) and to_theirs > goal)
    return "missed: " + ", ".join(missed) if missed else "met"


def main() -> None:
    """Compare, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--batches", type=int, nargs="+", default=[1, 512], help="above 1 only methods that diffusers has too")
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--rounds", type=int, default=41, help="of all timings, at batch 1; fewer for larger ones")
    options.add_argument("--least", type=float, default=0.0002, metavar="SECONDS", help="of each timing")
    options.add_argument("--artifact", action="store_true", help="also publish the table with the package")
    options.add_argument("--only", metavar="WORD", default="", help="solvers whose name contains this")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    rows = [
        measure(solver, face, batch, arguments.steps, max(arguments.rounds // batch, 3), arguments.least)
        for batch in arguments.batches
        for solver in wb.solvers.ALL
        for face in ("data", "noise")
        if arguments.only.lower() in label(solver).lower() and (batch == 1 or peer(solver, face))
    ]
    report("overhead", rows, arguments.json, seed=0)
    if arguments.artifact:
        facts = {"steps": arguments.steps, "rounds": arguments.rounds, "goals": GOALS, "rows": rounded(rows)}
        command = f"python -m benchmarks.overhead --batches {' '.join(map(str, arguments.batches))} --artifact"
        publish_record("solver-overhead", facts, source="one-machine", command=command, seed=0)


def rounded(rows: list[dict]) -> list[dict]:
    """Three digits are more than a clock is good for."""
    return [{key: float(f"{v:.3g}") if isinstance(v, float) else v for key, v in row.items()} for row in rows]


if __name__ == "__main__":
    main()
