"""Build ``integer-flow``, a lossless codec for small pictures: ``python -m workbench.artifacts.integer_flow --data FOLDER --source official``

CIFAR-10's training pictures, halved to 16 x 16, teach an integer flow.  It starts from linear predictions and is trained; then gates
close filters, activations and weights are rounded to 8 bits, and what is left computes in whole numbers.  A copy that stays in floats
is trained on for as many steps as the rounded one, so that the two can be compared.  What is measured is measured on test pictures.  A
few minutes on one core.
"""

import copy
import time
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from workbench import data
from workbench.artifacts import command_line
from workbench.artifacts.manifest import ArtifactError, publish
from workbench.quantizers import integer_flows as flows
from workbench.quantizers.integer_flows.yardsticks import halved, yardsticks

NAME = "integer-flow"
SIDE, COMPONENTS, LEVELS = 16, 3, 3
STEPS = {"floats": 1200, "gates": 200, "activations": 30, "weights": 130}


def trained(
    x: UInt8[Tensor, "n 3 side side"], *, steps: dict[str, int], batch: int, rate: float, price: float, width: int, seed: int
) -> tuple[dict[str, flows.IntegerFlow], dict[str, Any]]:
    """The flow after each stage, and what was noted on the way."""
    generator = torch.Generator().manual_seed(seed)
    side = x.shape[-1]

    def network(reads: int, writes: int, rng: torch.Generator) -> flows.Translator:
        return flows.Translator(reads, writes, width, generator=rng)

    levels = flows.lifting(3, min(LEVELS, (side & -side).bit_length() - 1))  # as often as 2 divides the side
    flow = flows.IntegerFlow((3, side, side), levels, network, components=COMPONENTS, generator=generator)
    often = {"generator": generator, "batch": batch, "progress": True}
    begun = time.process_time()
    flow = flows.linear_start(flow, x[:2000])
    linear = copy.deepcopy(flow)
    flows.fit(flow, x, steps=steps["floats"], rate=rate, **often)
    stages = {"linear": linear, "floats": flow, "gates": flows.gated(flow)}
    flows.fit(stages["gates"], x, steps=steps["gates"], rate=rate, price=price, **often)
    thin = flows.without_closed(stages["gates"])
    stages["activations"] = flows.rounded_activations(thin, x[:256])
    flows.fit(stages["activations"], x, steps=steps["activations"], rate=rate / 4, **often)
    stages["weights"] = flows.rounded_weights(stages["activations"])
    flows.fit(stages["weights"], x, steps=steps["weights"], rate=rate / 4, **often)
    stages["whole"] = flows.whole(stages["weights"])
    flows.fit(thin, x, steps=steps["activations"] + steps["weights"], rate=rate / 4, **often)
    stages["thin"] = thin
    filters = {"filters": flows.filters(flow), "filters_left": flows.filters(thin)}
    return stages, filters | {"seconds_of_training": round(time.process_time() - begun)}


def build(
    images: UInt8[Tensor, "n 3 tall wide"],
    held_out: UInt8[Tensor, "some 3 tall wide"],
    folder: Path,
    source: str,
    *,
    steps: dict[str, int] = STEPS,
    batch: int = 32,
    rate: float = 3e-3,
    price: float = 0.3,
    width: int = 32,
    seed: int = 0,
    hardware: str = "not stated",
) -> dict[str, Any]:
    """Train, measure on ``held_out``, write to ``folder``, and return the manifest entry.

    Raises:
        ValueError: for pictures that cannot be halved once here and once in the flow.
    """
    side = images.shape[-1] // 2
    if images.shape[-2] != images.shape[-1] or images.shape[-1] % 4:
        raise ValueError(f"got pictures of {tuple(images.shape[-2:])}; give squares whose side 4 divides")
    small, other = halved(images), halved(held_out)
    stages, notes = trained(small, steps=steps, batch=batch, rate=rate, price=price, width=width, seed=seed)
    codec = flows.Codec(stages["whole"])
    content = pack(stages["thin"], codec)
    stored = unpack(content)
    found = {name: flow.bits_per_dimension(other) for name, flow in stages.items()}
    found |= {"tables": stored["codec"].bits_per_dimension(other), "gaussian": gaussian_bits(small, other, seed)} | yardsticks(
        other
    )
    return publish(
        NAME,
        content,
        folder,
        file=f"{NAME}.safetensors",
        kind="integer-flow",
        source=source,
        command=f"python -m workbench.artifacts.integer_flow --data FOLDER --source {source} --seed {seed}",
        measured={
            "words": f"An integer flow for pictures of {side} x {side}: {notes['filters_left']} of {notes['filters']} filters, 8 bits.",
            "images_sha256": command_line.images_sha256(images),
            "held_out": len(held_out),
            "held_out_sha256": command_line.images_sha256(held_out),
            "bits_per_dimension": found,
            "steps": steps,
            "batch": batch,
            "rate": rate,
            "price": price,
            "width": width,
            "seed": seed,
            **notes,
            "hardware": hardware,
        },
    )


def gaussian_bits(x: UInt8[Tensor, "n c h w"], other: UInt8[Tensor, "m c h w"], seed: int = 0) -> float:
    """Bits per dimension of ``other`` by the Gaussian law of ``x``, both with uniform noise of width 1 added: an upper bound of its code."""
    generator = torch.Generator().manual_seed(seed)
    flat = other.flatten(1).double() + torch.rand(other.flatten(1).shape, generator=generator, dtype=torch.float64) - 0.5
    rows = x.flatten(1).double()
    covariance = torch.cov(rows.T) + torch.eye(rows.shape[1], dtype=torch.float64) / 12
    law = torch.distributions.MultivariateNormal(rows.mean(0), covariance)
    return float(-law.log_prob(flat).mean() / torch.tensor(2.0).log() / flat.shape[1])


def pack(floats: flows.IntegerFlow, codec: flows.Codec) -> bytes:
    """Return both flows and the tables as safetensors."""
    tensors = {f"floats/{key}": value for key, value in floats.state_dict().items()}
    tensors |= {f"whole/{key}": value for key, value in codec.flow.state_dict().items()}
    for place, law in enumerate(codec.laws):
        tensors |= {f"tables/{place}/low": law.low, f"tables/{place}/frequencies": law.frequencies.to(torch.int32)}
    tensors["shape"] = torch.tensor(floats.shape)
    return save_safetensors({key: value.detach().contiguous() for key, value in tensors.items()})


def unpack(content: bytes) -> dict[str, flows.IntegerFlow | flows.Codec]:
    """Return "floats", the flow without its closed filters and else in floats, and "codec", the same in whole numbers with its tables. Raises ``ArtifactError`` for bytes that are something else."""
    try:
        tensors = load_safetensors(content)
        shape = tensors.pop("shape").tolist()
        floats, whole = (_empty(shape, tensors, name) for name in ("floats", "whole"))
        laws = [
            flows.Tables(tensors[f"tables/{k}/low"], tensors[f"tables/{k}/frequencies"].long()) for k in range(len(whole.priors))
        ]
        return {"floats": floats, "codec": flows.Codec(whole, laws)}
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"these bytes are no integer flow in safetensors form: {error}") from error


def _empty(shape: list[int], tensors: dict[str, Tensor], name: str) -> flows.IntegerFlow:
    """A flow with networks of the stored widths, and the stored weights in them."""
    state = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
    blank = torch.Generator()
    count = sum(key.startswith("priors.") and key.endswith(".means") for key in state)
    flow = flows.IntegerFlow(shape, flows.lifting(3, count), components=COMPONENTS, generator=blank)
    for place, coupling in enumerate(flow.couplings):
        sizes = []
        while (key := f"couplings.{place}.translator.layers.{len(sizes)}.weight") in state:
            sizes.append(tuple(state[key].shape))
        coupling.translator = flows.WholeTranslator.blank(sizes) if name == "whole" else flows.Translator.blank(sizes)
    flow.load_state_dict(state)
    return flow.requires_grad_(False)


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), build, and say what was written."""
    parser = command_line.options(__doc__)
    parser.add_argument("--batch", type=int, default=32, help="pictures a step")
    parser.add_argument("--rate", type=float, default=3e-3, help="the largest learning rate")
    parser.add_argument("--price", type=float, default=0.3, help="bits per dimension that all filters together cost")
    parser.add_argument("--width", type=int, default=32, help="filters of a hidden layer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pace", type=float, default=1.0, help="a factor of all numbers of steps")
    parser.add_argument("--held-out", type=int, default=2000, help="test pictures to measure on")
    parser.add_argument("--hardware", default="not stated", help="in words, for the record")
    options = parser.parse_args(argv)
    train, test = (data.cifar10(split, options.data).images for split in ("train", "test"))
    test = test[: options.held_out]
    asked = {name: getattr(options, name) for name in ("batch", "rate", "price", "width", "seed", "hardware")}
    steps = {name: max(round(number * options.pace), 1) for name, number in STEPS.items()}
    entry = build(train, test, options.out, options.source, steps=steps, **asked)
    command_line.report(options.out, entry)


if __name__ == "__main__":
    main()
