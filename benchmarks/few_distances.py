"""The Frechet distance of the leading entrants of few evaluations, on the features of our own classifier (never to be called FID)."""

from typing import Any

import torch
from torch import Tensor

import workbench as wb
from benchmarks.accuracy import law_error
from benchmarks.contest import Contest, Entrant, Line, Way, ways
from benchmarks.few_contests import DISTANT, ON, network_problem
from benchmarks.judging import Judge

S = wb.solvers
LEADING = 6


def leading(lines: list[Line], budget: int) -> list[Line]:
    """At one budget on the network: our leading ones by the noise to choose on, Euler (which is DDIM), and the best of theirs."""
    here = [line for line in lines if line.where == "network" and line.budget == budget]
    ours = sorted((line for line in here if line.told["by"] == "workbench"), key=lambda line: line.contest.error(line.entrant))
    plain = [line for line in ours[LEADING:] if line.told["method"] in ("DDIM()", "Euler()") and line.told["jump"] is None]
    best = min((line for line in here if line.told["by"] == "diffusers"), key=lambda line: line.told["error"])
    return [*ours[:LEADING], *plain, best]


def drawing(known: dict[str, Contest], budget: int, most: int = 2) -> list[Way]:
    """The stochastic solvers, one of a class, whose law is nearest to the exact flow's, for the Gaussian law."""
    offered = [way for solver in S.ALL if solver.stochastic for way in ways(solver, budget, ON)]
    errors = [law_error(known["cifar10"].judged, way.solver, torch.tensor(way.times, dtype=torch.float64)) for way in offered]
    ranked = [offered[i] for i in torch.tensor(errors, dtype=torch.float64).argsort().tolist()]
    best: dict[type, Way] = {}
    for way in ranked:
        best.setdefault(type(way.solver), way)
    return list(best.values())[:most]


def distance_rows(
    judge: Judge, network: Contest, entrants: list[tuple[int, Entrant]], count: int, batch: int = 32
) -> list[dict[str, Any]]:
    """The Frechet distance of each, and its difference to that of the first of diffusers at the same budget, on the same noise."""
    rows, features = [], []
    for budget, entrant in entrants:

        def make(entrant: Entrant = entrant) -> tuple[dict[str, Any], dict[str, Tensor]]:
            parts = [
                network_problem(network.judged.law, min(batch, count - k), DISTANT + k, network.kept)
                for k in range(0, count, batch)
            ]
            return {}, {"features": judge.features(torch.cat([entrant.ends(part, network.gaussian).float() for part in parts]))}

        key = {"features": entrant.about, "times": [float(f"{t:.9g}") for t in getattr(entrant, "times", ())], "budget": budget}
        features.append(network.kept.row(key | {"pictures": count, "first": DISTANT}, make)[1]["features"])
        rows.append({"budget": budget, **entrant.about, "pictures": count, **judge.distance(features[-1])})
    for one, mine in zip(rows, features, strict=True):
        other = next(f for r, f in zip(rows, features, strict=True) if (r["by"], r["budget"]) == ("diffusers", one["budget"]))
        one["above theirs"], one["standard error"] = wb.metrics.frechet_difference(mine, other, judge.reference)
    return rows
