"""Begin with the best linear predictions, so that networks have only the rest to learn."""

import copy
import math

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from workbench.quantizers.integer_flows.flow import IntegerFlow
from workbench.quantizers.integer_flows.translator import HIGH, LOW, UNIT, Translator
from workbench.quantizers.watching import watching


@torch.no_grad()
def linear_start(flow: IntegerFlow, x: Shaped[Tensor, "n c h w"]) -> IntegerFlow:
    """The flow with each translator set to the least-squares prediction of what it moves, from the couplings before it.

    A ReLU network holds a linear map as relu(y) - relu(-y): two hidden channels for each output, which later layers pass on.  The other
    filters stay as they are, and the last layer ignores them for now.  Laws start with the spread that is left on ``x``.

    Args:
        flow: freshly made; translators with at least twice as many filters as outputs.
        x: data.

    Raises:
        ValueError: for no data, or translators that are too narrow.
    """
    if not len(x):
        raise ValueError("got no samples; least squares needs some")
    out = copy.deepcopy(flow)
    for coupling in out.couplings:
        if coupling.translator.layers[0].out_channels < 2 * len(coupling.writes):
            raise ValueError(
                f"{coupling.translator.layers[0].out_channels} filters cannot hold {len(coupling.writes)} outputs twice"
            )
    with watching(dict.fromkeys(out.couplings, _fit)):
        parts = out(x.float())
    for prior, z in zip(out.priors, parts, strict=True):
        rows = z.transpose(0, 1).flatten(1)
        count = prior.means.shape[1]
        scales = 2 ** torch.linspace(-1, 1, count) if count > 1 else torch.ones(1)
        spread = rows.std(1, keepdim=True).clamp(min=1)
        prior.means.copy_((rows.mean(1, keepdim=True) + 0.05 * spread * torch.linspace(-1, 1, count)) / UNIT)
        prior.log_scales.copy_((spread * scales * math.sqrt(3) / math.pi / UNIT).log())
    return out


def _fit(coupling: nn.Module, arguments: tuple) -> None:
    """Least squares for one coupling, just before it is used: what it is given has passed those before."""
    z = arguments[0]
    first = coupling.translator.layers[0]
    side = first.kernel_size[0]
    read = z[:, coupling.reads].clamp(LOW, HIGH) / UNIT
    patches = nn.functional.unfold(read, side, padding=side // 2).transpose(1, 2).flatten(0, 1)
    rows = torch.cat([patches, torch.ones(len(patches), 1)], 1).double()
    targets = -z[:, coupling.writes].flatten(2).transpose(1, 2).flatten(0, 1).double() / UNIT
    ridge = 1e-6 * len(rows) * torch.eye(rows.shape[1], dtype=torch.float64)
    solved = torch.linalg.solve(rows.T @ rows + ridge, rows.T @ targets).T.float()
    _hold(coupling.translator, solved[:, :-1].view(-1, len(coupling.reads), side, side), solved[:, -1])


def _hold(translator: Translator, weight: Tensor, bias: Tensor) -> None:
    """Make the translator the linear map: y and -y in the first layer, passed on, and put together in the last."""
    twice, first = 2 * len(weight), translator.layers[0]
    first.weight[:twice], first.bias[:twice] = torch.cat([weight, -weight]), torch.cat([bias, -bias])
    for layer in translator.layers[1:-1]:
        middle = layer.kernel_size[0] // 2
        layer.weight[:twice] = 0
        layer.weight[range(twice), range(twice), middle, middle] = 1
    last = translator.layers[-1]
    middle, sign = last.kernel_size[0] // 2, torch.eye(len(weight))
    last.weight.zero_()
    last.weight[:, :twice, middle, middle] = torch.cat([sign, -sign], 1)
