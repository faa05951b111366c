"""States are saved and loaded without a cast, and a resumed run is the uninterrupted one."""

import copy
import functools
import io
import pickle

import pytest
import torch
from torch import nn

import workbench as wb
from workbench.nets.training.batches import Batches
from workbench.nets.training.checkpoint import CheckpointError, load, save
from workbench.nets.training.flow_matching import FlowMatching
from workbench.nets.training.settings import Settings
from workbench.nets.training.trainer import Trainer
from workbench.quantizers import SGD, AdamW, Codebook, Factored, RankOne, number_formats
from workbench.quantizers.optimizers import Packed, formats

CHANCE = Codebook(values=number_formats.dynamic(), block=(128,), rounding="stochastic")
MAKERS = {
    "four": AdamW,
    "eight": functools.partial(AdamW, **formats.eight_bit()),
    "factored": functools.partial(AdamW, second=Factored()),
    "chance": lambda p: AdamW(p, first=CHANCE, generator=torch.Generator().manual_seed(3)),
    "full": functools.partial(AdamW, first=None, second=None),
    "sgd": functools.partial(SGD, lr=0.1, momentum=0.9),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def network(seed=0):
    return wb.nets.MLP(64, width=64, depth=2, generator=torch.Generator().manual_seed(seed))


def train(net, optimizer, steps, start=0):
    """Steps whose batches depend on their number alone."""
    for step in range(start, start + steps):
        draws = torch.Generator().manual_seed(step)
        x, t = torch.randn(32, 64, generator=draws), torch.rand(32, generator=draws)
        optimizer.zero_grad()
        (net(x, t) - x.roll(1, 1)).square().mean().backward()
        optimizer.step()


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@makers
def test_resumed_through_a_file_it_is_the_uninterrupted_run(make, tmp_path):
    whole, first, second = network(), network(), network(1)
    train(whole, make(whole.parameters()), 8)
    optimizer = make(first.parameters())
    train(first, optimizer, 5)
    torch.save({"net": first.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "run.pt")
    stored = torch.load(tmp_path / "run.pt", weights_only=True)
    second.load_state_dict(stored["net"])
    again = make(second.parameters())
    again.load_state_dict(stored["optimizer"])
    train(second, again, 3, start=5)
    assert same(whole, second) and not same(whole, first)


def test_codes_stay_bytes(rng):
    """Loading casts what floats to the type of the parameter, and codes with it, if one lets it: pytorch/ao#1044."""
    net = network().bfloat16()
    optimizer = AdamW(net.parameters())
    for p in net.parameters():
        p.grad = torch.randn(p.shape, generator=rng).bfloat16()
    optimizer.step()
    stored = optimizer.state_dict()
    again = AdamW(net.parameters())
    again.load_state_dict(stored)
    assert again.nbytes == optimizer.nbytes
    for p in net.parameters():
        old, new = optimizer.state[p], again.state[p]
        for name in ("exp_avg", "exp_avg_sq"):
            if isinstance(old[name], Packed):
                assert all(torch.equal(part, new[name].kept.parts[key]) for key, part in old[name].kept.parts.items())
                assert new[name].kept.parts["codes"].dtype == torch.uint8
            else:
                assert torch.equal(old[name], new[name]) and new[name].dtype == torch.float32, "not cast to bfloat16"


def test_what_was_cast_or_belongs_elsewhere_is_refused():
    net = network()
    optimizer = AdamW(net.parameters())
    train(net, optimizer, 1)
    stored = optimizer.state_dict()
    which = next(k for k, state in stored["state"].items() if isinstance(state["exp_avg"], dict))
    broken = copy.deepcopy(stored)
    broken["state"][which]["exp_avg"]["parts"]["codes"] = broken["state"][which]["exp_avg"]["parts"]["codes"].float()
    before = optimizer.state_dict()["state"][which]["exp_avg"]["parts"]["codes"]
    with pytest.raises(ValueError, match="without a cast"):
        optimizer.load_state_dict(broken)
    assert torch.equal(optimizer.state_dict()["state"][which]["exp_avg"]["parts"]["codes"], before), "nothing was changed"
    other = wb.nets.MLP(64, width=80, depth=2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"network it belongs to|of this network"):
        AdamW(other.parameters()).load_state_dict(stored)
    with pytest.raises(ValueError, match="doesn't match"):
        AdamW(list(net.parameters())[:2]).load_state_dict(stored)
    unknown = copy.deepcopy(stored)
    unknown["param_groups"][0]["first"] = {"kind": "Ternary"}
    with pytest.raises(ValueError, match="Ternary"):
        AdamW(net.parameters()).load_state_dict(unknown)


def test_a_loaded_state_shares_nothing_with_the_one_it_came_from():
    one, two = network(), network()
    first, second = AdamW(one.parameters()), AdamW(two.parameters())
    train(one, first, 2)
    second.load_state_dict(first.state_dict())
    two.load_state_dict(one.state_dict())
    train(one, first, 2, start=2)
    train(two, second, 2, start=2)
    assert same(one, two)


def test_the_state_of_torchs_own_is_taken_and_stored_in_few_bits():
    net = network()
    full = torch.optim.AdamW(net.parameters())
    train(net, full, 3)
    small = AdamW(net.parameters())
    small.load_state_dict(full.state_dict())
    for p in net.parameters():
        m = full.state[p]["exp_avg"]
        if p.numel() >= 4096:
            assert torch.equal(small.state[p]["exp_avg"].dequantize(), formats.FIRST.simulate(m.flatten()).view(p.shape))
        else:
            assert torch.equal(small.state[p]["exp_avg"], m)
        assert float(small.state[p]["step"]) == 3
    train(net, small, 1)
    assert type(small.param_groups[0]["second"]) is RankOne


def test_groups_have_settings_of_their_own():
    net = network()
    body, rest = [net.hidden[0].weight], [p for p in net.parameters() if p is not net.hidden[0].weight]
    optimizer = AdamW([{"params": body, "second": None, "lr": 1e-2}, {"params": rest, "smallest": 10}])
    train(net, optimizer, 2)
    assert isinstance(optimizer.state[body[0]]["exp_avg_sq"], torch.Tensor)
    assert all(isinstance(optimizer.state[p]["exp_avg"], Packed) for p in rest if p.numel() >= 10)
    again = AdamW([{"params": body}, {"params": rest}])
    again.load_state_dict(optimizer.state_dict())
    assert again.param_groups[0]["second"] is None and again.param_groups[1]["smallest"] == 10
    assert again.param_groups[0]["lr"] == 1e-2


@makers
def test_copies_and_pickles_go_on_alike(make):
    net = network()
    optimizer = make(net.parameters())
    train(net, optimizer, 2)
    net2, optimizer2 = copy.deepcopy((net, optimizer))
    net3, optimizer3 = pickle.loads(pickle.dumps((net, optimizer)))
    for n, o in ((net, optimizer), (net2, optimizer2), (net3, optimizer3)):
        train(n, o, 2, start=2)
    assert same(net, net2) and same(net, net3)


@makers
def test_the_trainer_resumes_bit_for_bit(make, tmp_path):
    def trainer():
        model = wb.NetworkDenoiser(
            wb.nets.MLP(2, width=64, depth=2, generator=torch.Generator().manual_seed(0)), wb.schedules.Rectified(), "velocity"
        )
        data = Batches(wb.data.toys.ring(64, generator=torch.Generator().manual_seed(1)), None, 16, 0, flips=False)

        def optimizer(parameters, lr, **_):
            made = make(parameters)
            made.param_groups[0]["lr"] = lr
            return made

        return Trainer(model, data, FlowMatching(), Settings(6, 16, 1e-3), optimizer=optimizer)

    whole, first, second = trainer(), trainer(), trainer()
    list(whole.run())
    list(first.run(until=3))
    save(tmp_path / "run.pt", first.state(), {})
    second.restore(load(tmp_path / "run.pt")[0])
    list(second.run())
    assert same(whole.net, second.net) and same(whole.average.net, second.average.net)


def test_fit_takes_it_and_its_checkpoint_says_which(tmp_path):
    x0 = wb.data.toys.ring(256, generator=torch.Generator().manual_seed(0))
    net = wb.nets.MLP(2, width=64, depth=2, generator=torch.Generator().manual_seed(1))
    model = wb.NetworkDenoiser(net, wb.schedules.Rectified(), "velocity")
    how = {"steps": 6, "batch": 32, "save_every": 3}

    def fitted(optimizer, path, stop=None):
        def callback(step, _):
            if step.number == stop:
                raise KeyboardInterrupt

        return wb.nets.fit(
            model, x0, generator=torch.Generator().manual_seed(2), checkpoint=path, optimizer=optimizer, callback=callback, **how
        )

    whole = fitted(AdamW, tmp_path / "a.pt")
    with pytest.raises(KeyboardInterrupt):
        fitted(AdamW, tmp_path / "b.pt", stop=5)
    assert same(whole.net, fitted(AdamW, tmp_path / "b.pt").net)
    with pytest.raises(CheckpointError, match="optimizer"):
        fitted(torch.optim.AdamW, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="optimizer"):
        fitted(functools.partial(AdamW, second=None), tmp_path / "b.pt")


def test_schedulers_and_closures():
    net = nn.Linear(64, 64)
    optimizer = AdamW(net.parameters(), lr=1.0, weight_decay=0)
    halving = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    x, calls = torch.ones(2, 64), []

    def closure():
        calls.append(1)
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    halving.step()
    assert len(calls) == 1 and loss.requires_grad and optimizer.param_groups[0]["lr"] == 0.5
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    other = AdamW(net.parameters(), lr=1.0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert other.param_groups[0]["initial_lr"] == 1.0 and other.param_groups[0]["lr"] == 0.5
