"""The command that makes the pairs: what it asks of the denoiser, what it remembers, and several processes of it."""

import pytest
import torch

import workbench as wb
from workbench.data import to_bytes
from workbench.gaussian import LowRank, teleport
from workbench.reflow import make_pairs
from workbench.reflow.pairs import noise_of
from workbench.schedules import VE


def model():
    """A law of pictures whose classes differ in brightness, in the place of the network."""
    draws = torch.Generator().manual_seed(0)
    vectors = torch.linalg.qr(torch.randn(3072, 4, generator=draws, dtype=torch.float64)).Q
    law = wb.gaussian.GaussianDenoiser(torch.zeros(3, 32, 32), LowRank(vectors, torch.tensor([90.0, 40, 9, 4]), 0.01), VE())

    def brightness(shown, times, labels=None):
        level = torch.zeros(len(shown)) if labels is None else labels.float() / 10
        return level.view(-1, 1, 1, 1).expand(-1, 3, 32, 32)

    return wb.gaussian.GaussianPreconditioned(brightness, law)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(make_pairs.characters, "network", lambda schedule: model())


def command(folder, *more):
    return make_pairs.main(["--out", str(folder), "--number", "5", "--block", "2", "--cpu", *more])


def by_hand(z, labels, scale=2.0, jump=5.315194521796376):
    net = model()
    x = teleport(net.law, 80 * z, 80.0, jump)
    grid = wb.grids.karras(VE(), 8, start=jump, stop=0)
    return wb.solve(wb.Guided(net.given(labels), net, scale), x, grid, wb.solvers.DPMSolverPP2M()).x


def test_the_pairs_are_those_of_the_recipe(tmp_path, capsys):
    pairs, rows = command(tmp_path), torch.arange(5)
    z = torch.stack([noise_of((3, 32, 32), 0, row) for row in range(5)])
    assert torch.equal(pairs.ends, to_bytes(by_hand(z, rows % 10))) and torch.equal(pairs.noise(rows), z)
    assert pairs.labels.tolist() == [0, 1, 2, 3, 4] and "3/3" in capsys.readouterr().err
    assert pairs.about == {
        "network": wb.artifacts.describe("cifar10-denoiser")["sha256"],
        "guidance": 2.0,
        "jump": pytest.approx(5.315194521796376, rel=1e-12),
        "solver": "DPMSolverPP2M()",
        "grid": "karras",
        "steps": 8,
    }


def test_the_default_jump_is_a_point_of_the_usual_grid():
    assert float(wb.grids.karras(VE(), 18, stop=0)[7]) == make_pairs.JUMP == pytest.approx(5.3152, abs=5e-5)


def test_options_reach_the_teacher(tmp_path):
    plain = command(tmp_path / "plain")
    for number, more in enumerate(
        (["--guidance", "1"], ["--jump", "none"], ["--solver", "Euler()"], ["--steps", "3"], ["--grid", "log_snr"])
    ):
        other = command(tmp_path / str(number), *more)
        assert other.about != plain.about and not torch.equal(other.ends, plain.ends)
    assert not torch.equal(command(tmp_path / "seed", "--seed", "1").ends, plain.ends)


def test_without_a_jump_the_whole_way_is_solved():
    z, labels, euler = (
        torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)),
        torch.tensor([3, 8]),
        wb.solvers.Euler(),
    )
    made = make_pairs.teacher(model(), euler, guidance=1, jump=None, steps=4)
    grid = wb.grids.karras(VE(), 4, stop=0)
    assert torch.equal(made(z, labels), wb.solve(model().given(labels), 80 * z, grid, euler).x)


def test_it_goes_on_and_refuses_another_recipe(tmp_path):
    command(tmp_path)
    (tmp_path / "pairs-000001.safetensors").unlink()
    assert len(command(tmp_path)) == 5
    with pytest.raises(SystemExit, match="ValueError: .*holds pairs made otherwise .*'guidance': 2.0"):
        command(tmp_path, "--guidance", "3")


def test_what_cannot_be_made_is_said_in_a_line(tmp_path):
    for more, words in (
        (["--jump", "100"], "jump=100.0; it needs to be between"),
        (["--block", "0"], "block=0"),
        (["--steps", "0"], "step"),
    ):
        with pytest.raises(SystemExit, match=f"ValueError: .*{words}"):
            command(tmp_path / "new", *more)
    with pytest.raises(SystemExit):
        command(tmp_path, "--solver", "DDPM()")


def test_an_interrupted_command_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(make_pairs, "simulate_pairs", interrupted)
    with pytest.raises(SystemExit, match="the same command goes on"):
        command(tmp_path)


def test_names_of_solvers_are_how_one_writes_them():
    assert make_pairs.written(wb.solvers.Euler(variable="t")) == "Euler(variable='t')"
    for name, solver in make_pairs.SOLVERS.items():
        assert eval(name, vars(wb.solvers)) == solver and not solver.stochastic
