"""Bits against steps, on pictures of 8x8 pixels."""

import dataclasses

import pytest
import torch
from safetensors.torch import save
from tiny_training import awake, law, unet

import workbench as wb
from benchmarks import bits_against_steps as bench
from benchmarks import sampled_networks as sampled
from benchmarks.judging import Judge
from benchmarks.kept import Kept
from workbench.artifacts import quantized_networks
from workbench.gaussian import GaussianCoupling, GaussianPreconditioned
from workbench.metrics import FeatureStatistics
from workbench.reflow import FlowPreconditioned


class Looker(torch.nn.Module):
    """Eight features of any picture."""

    def features(self, x):
        return x.flatten(1)[:, ::24]


@pytest.fixture(scope="module")
def subjects():
    known = law()
    flow = FlowPreconditioned(awake(unet(1, classes=10)), GaussianCoupling(known.mean, known.covariance, 0.9))
    return {
        "denoiser": sampled.denoiser(GaussianPreconditioned(awake(unet(classes=10)), known), "a"),
        "flow": sampled.flow(flow, "b"),
    }


@pytest.fixture
def table(tmp_path, subjects):
    known = law()
    judge = Judge(Looker(), FeatureStatistics.of(Looker().features(known.sample(400, generator=torch.Generator().manual_seed(0)))))
    return bench.Bench(Kept(tmp_path), judge, pictures=6, batch=4)


def test_more_bits_and_more_steps_are_nearer(table, subjects):
    plan = {"denoiser": {"2M": (2, 8)}, "flow": {"Euler": (2, 16)}}
    rows = {(r["network"], r["steps"], r["bits"]): r for r in bench.error_rows(table, subjects, plan, (32, 8, 3))}
    for name, few, many in (("denoiser", 2, 8), ("flow", 2, 16)):
        assert rows[name, many, 32]["error"] < rows[name, few, 32]["error"] and rows[name, many, 32]["evaluations"] == many
        assert rows[name, many, 32]["error"] < rows[name, many, 3]["error"]
        assert rows[name, many, 8]["error"] < rows[name, many, 3]["error"]
        assert 0 < rows[name, many, 3]["error_standard_error"] < rows[name, many, 3]["error"]


def test_a_picture_does_not_depend_on_how_many_are_drawn_and_rows_are_kept(table, subjects):
    both = table.made(subjects["denoiser"], "Euler", 2, 4)[1]["x"]
    alone, _ = subjects["denoiser"].draw(sampled.small_of(subjects["denoiser"], 4), "Euler", 2, torch.tensor([5]))
    assert torch.allclose(both[5].float(), alone[0], atol=2e-2)
    broken = dataclasses.replace(subjects["denoiser"], model=None)  # never asked: the row is on the disk
    assert torch.equal(table.made(broken, "Euler", 2, 4)[1]["x"], both)


def test_rounding_of_what_flows_between_layers(table, subjects):
    settings = [(way, b, 2) for way in sampled.WAYS for b in (8, 2)]
    rows = {(r["way"], r["rounded"]): r["error"] for r in bench.rounded_rows(table, "denoiser", subjects["denoiser"], settings, 8)}
    plain = table.error(subjects["denoiser"], "Euler", 2, 8)["error"]
    for way in sampled.WAYS:
        assert abs(rows[way, 8] - plain) < abs(rows[way, 2] - plain)


def test_distances_are_paired_with_full_precision(table, subjects):
    rows = bench.distance_rows(table, subjects, [("denoiser", "2M", 8, 32), ("denoiser", "2M", 8, 2)], 40)
    assert rows[0]["above_full"] == 0 and rows[1]["above_full"] != 0 and rows[1]["above_full_standard_error"] > 0
    found = table.by_time(subjects["denoiser"], "Euler", 3, 3, few=4)
    assert len(found["time"]) == 3 and all(value > 0 for value in found["relative"])


def test_files_and_pictures(table, subjects):
    told = sampled.file_of(subjects["flow"], 4)
    small = sampled.small_of(subjects["flow"], 4)
    assert told["file_bytes"] == len(quantized_networks.pack(small.net)) > told["tensor_bytes"]
    assert told["tensor_bytes"] == quantized_networks.content_nbytes(small.net)
    shown = bench.shown(table, subjects["denoiser"], [("2M", 2, 4)])
    assert shown["2M-2-4"].dtype == torch.uint8 and shown["converged"].dtype == torch.float16 and save(shown)
    back = wb.data.to_floats(shown["2M-2-4"])
    made = table.made(subjects["denoiser"], "2M", 2, 4)[1]["x"].float().clamp(-1, 1)
    assert float((back - made).abs().max()) <= 1 / 127.5


def test_the_plan_asks_for_what_is_shown():
    drawn = {(solver, n, b) for solver, counts in bench.PLAN["cifar10-denoiser"].items() for n in counts for b in bench.BITS}
    assert set(bench.SHOWN) <= drawn
    assert {(way, b) for way, b, _ in bench.ROUNDED} >= {("by chance", 4), ("one range", 6)}
