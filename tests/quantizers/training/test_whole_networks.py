"""MLP and transformer in 4 and 8 bits: close to what they stand for, trained by the loop of the package, resumed bit for bit."""

import pytest
import torch

import workbench as wb
from workbench.nets import MLP, DiT, UNet
from workbench.quantizers.training import Int4Linear, int4, jetfire

RF = wb.schedules.Rectified()


def made(seed=0):
    return torch.Generator().manual_seed(seed)


def nets():
    found = [
        MLP(2, width=32, depth=3, generator=made()),
        DiT(patch=2, width=16, depth=2, heads=2, emb=16, side=8, generator=made()),
    ]
    with torch.no_grad():
        for net in found:
            for p in net.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=made(1)))
    return found


every_net = pytest.mark.parametrize("net", nets(), ids=lambda net: type(net).__name__)


def inputs(net, n=8, seed=2):
    return torch.randn((n, 2) if isinstance(net, MLP) else (n, 3, 8, 8), generator=made(seed)), torch.linspace(0.1, 0.9, n)


def cosine(a, b):
    return float(torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), 0))


@every_net
def test_outputs_and_gradients_are_close(net):
    x, times = inputs(net)
    before = {name: p.clone() for name, p in net.named_parameters()}
    grad = torch.randn(net(x, times).shape, generator=made(3))
    exact = net(x, times)
    wanted = torch.autograd.grad(exact, list(net.parameters()), grad)
    for make, near, similar in (
        (jetfire, 0.03, 0.995),
        (lambda net, generator: int4(net, x, times, generator=generator), 0.6, 0.6),
    ):
        small = make(net, generator=made(4))
        found = small(x, times)
        assert 0 < float((found - exact).detach().norm() / exact.detach().norm()) < near
        found.backward(grad)
        own = dict(small.named_parameters())
        assert set(before) <= set(own)
        pairs = [(own[name].grad, w) for (name, _), w in zip(net.named_parameters(), wanted, strict=True)]
        assert cosine(torch.cat([a.flatten() for a, _ in pairs]), torch.cat([b.flatten() for _, b in pairs])) > similar
        assert all(torch.equal(own[name], p) for name, p in before.items())
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters()), "the model itself is left alone"


@every_net
def test_the_flow_keeps_an_int8_for_every_number_that_it_keeps(net):
    """Of all that backward needs inside the blocks: codes and 16-bit steps.  A transformer's attention core, and its gates and shifts
    (a row for each sample), are float32 as they were."""
    x, times = inputs(net)

    def bytes_of(model):
        saved = {}
        parameters = {p.data_ptr() for p in model.parameters()}
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.setdefault((t.data_ptr(), t.shape), t), lambda t: t):
            model(x, times)
        found = {}
        for t in saved.values():
            if t.untyped_storage().data_ptr() not in parameters:
                found[t.dtype] = found.get(t.dtype, 0) + t.numel() * t.element_size()
        return found

    small, full = bytes_of(jetfire(net, generator=made(4))), bytes_of(net)
    assert set(full) <= {torch.float32, torch.bool, torch.int64}
    assert small[torch.int8] > 0.15 * full[torch.float32] / 4
    assert sum(small.values()) < 0.75 * sum(full.values())


FORMS = {
    "int4": lambda m, sample: int4(m, *sample, generator=made(5)),
    "jetfire": lambda m, sample: jetfire(m, generator=made(5)),
    "one tile": lambda m, sample: jetfire(m, generator=made(5), side=None),
}


@pytest.mark.parametrize(("kind", "which"), [("int4", 0), ("jetfire", 1), ("one tile", 0)])
def test_resumed_bit_for_bit(kind, which, tmp_path):
    net = nets()[which]
    model = FORMS[kind](wb.NetworkDenoiser(net, RF, "velocity"), inputs(net, 4))
    data = inputs(net, 8, seed=6)[0]

    def fit(path=None, stop=None):
        def watch(step, averaged):
            if step.number == stop:
                raise KeyboardInterrupt

        return wb.nets.fit(
            model, data, steps=3, batch=4, rate=3e-3, generator=made(7), checkpoint=path, save_every=1, callback=watch
        )

    whole = fit()
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "run.pt", stop=2)
    resumed = fit(tmp_path / "run.pt")
    for (name, a), (_, b) in zip(whole.net.state_dict().items(), resumed.net.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    assert any(not torch.equal(a, b) for a, b in zip(whole.net.parameters(), model.net.parameters(), strict=True))
    with torch.no_grad():
        again = [whole.net(*inputs(net)) for _ in range(2)]
    assert torch.equal(*again), "nothing is drawn when nothing is trained"


@pytest.mark.parametrize("kind", FORMS)
def test_they_learn(kind):
    x, times = inputs(nets()[0], 64)
    net = FORMS[kind](MLP(2, width=32, depth=3, generator=made()), (x, times))
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=1e-2), []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (net(x, times) - torch.stack([x[:, 0] * x[:, 1], x[:, 0].cos()], 1)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])


def test_what_is_replaced():
    mlp, dit = nets()
    small = int4(mlp, *inputs(mlp), generator=made())
    assert [name for name, part in small.named_modules() if isinstance(part, Int4Linear)] == ["hidden.0", "hidden.1"]
    small = int4(dit, *inputs(dit), generator=made())
    names = [name for name, part in small.named_modules() if isinstance(part, Int4Linear)]
    assert names == [f"blocks.{k}.{part}" for k in range(2) for part in ("qkv", "out", "expand", "shrink")]
    small = int4(mlp, *inputs(mlp), generator=made(), keep="last")
    assert isinstance(small.first, Int4Linear) and not isinstance(small.last, Int4Linear)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda n: jetfire(UNet(widths=(16,), blocks=1, emb=16, side=8, generator=made()), generator=made()),
            TypeError,
            "UNet has no 8-bit",
        ),
        (lambda n: jetfire(3, generator=made()), TypeError, "no network"),
        (lambda n: int4(n, *inputs(n), generator=made(), keep=("second",)), ValueError, "begins with 'second'"),
        (lambda n: int4(n, *inputs(n), generator=made(), keep=("first", "hidden", "last")), ValueError, "no linear layer is left"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(nets()[0])
