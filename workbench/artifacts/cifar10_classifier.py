"""Build ``cifar10-classifier`` and ``cifar10-features``:
``python -m workbench.artifacts.cifar10_classifier --data FOLDER --source official --checkpoint FILE``.

Takes a checkpoint of ``workbench.nets.train_classifier`` to a file of float16 weights, measures how often that file's network is
right, and takes the statistics of its features over the training and over the test images.  Two minutes on one core.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from workbench import data
from workbench.artifacts import command_line, features, networks
from workbench.artifacts.manifest import publish
from workbench.data.cifar import Cifar10, to_floats
from workbench.metrics.frechet import FeatureStatistics, frechet_bias, frechet_distance
from workbench.nets.classifier import Classifier
from workbench.nets.train_classifier import accuracy
from workbench.nets.training import checkpoint

NAME = "cifar10-classifier"
FEATURES = "cifar10-features"


def build(train: Cifar10, test: Cifar10, run: Path, folder: Path, source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write both artifacts to ``folder`` and return their manifest entries; ``run`` is the file that the training command saved."""
    state, settings, _ = checkpoint.load(run)
    history = state["history"]
    net = Classifier(settings["widths"], len(train.classes), generator=torch.Generator())
    net.load_state_dict(state["net"])
    content = networks.pack(net, classes=list(train.classes))
    net = networks.unpack(content)[0]
    sha256, right = command_line.images_sha256(train.images), accuracy(net, test.images, test.labels)
    parameters = sum(p.numel() for p in net.parameters())
    command = f"python -m workbench.artifacts.cifar10_classifier --data FOLDER --source {source} --checkpoint FILE"
    entry = publish(
        NAME,
        content,
        folder,
        file=f"{NAME}.safetensors",
        kind="classifier",
        source=source,
        command=f"python -m workbench.nets.train_classifier --data FOLDER --out FILE && {command}",
        measured={
            "words": f"a convolutional classifier of {parameters / 1e6:.2f} million parameters, trained for {len(history)} epochs; "
            f"it is right on {100 * right:.1f} % of {len(test):,} test images",
            "images_sha256": sha256,
            "parameters": parameters,
            "settings": settings,
            "steps": len(history) * (len(train) // settings["batch"]),
            "seconds": round(sum(epoch["seconds"] for epoch in history)),
            "hardware": "one core of an x86-64 server, float32",
            "history": history,
            "accuracy": {"test": right, "training": accuracy(net, train.images, train.labels)},
        },
    )
    sets = {"train": statistics(net, train.images), "test": statistics(net, test.images)}
    one, other = sets["train"], sets["test"]
    distance = frechet_distance(other.mean, other.covariance, one.mean, one.covariance)
    measured = {
        "words": f"mean and covariance of the {len(one.mean)} features of {NAME}, over {one.count:,} training and {other.count:,} test images",
        "images_sha256": sha256,
        "classifier_sha256": entry["sha256"],
        "counts": {name: each.count for name, each in sets.items()},
        "frechet_test_to_train": distance,
        "gaussian_bias_times_count": frechet_bias(one.covariance, one.covariance),
        "total_variance": float(one.covariance.trace()),
    }
    content = features.pack(sets)
    file = f"{FEATURES}.safetensors"
    return entry, publish(FEATURES, content, folder, file=file, kind="features", source=source, command=command, measured=measured)


def statistics(net: Classifier, images: UInt8[Tensor, "n channels height width"], batch: int = 500) -> FeatureStatistics:
    """Mean and covariance of the features of many images, a batch at a time."""

    def parts() -> Iterator[Float[Tensor, "batch f"]]:
        for part in images.split(batch):
            yield net.features(to_floats(part))

    return FeatureStatistics.of(parts())


def main(argv: list[str] | None = None) -> None:
    """Parse the options, build, and say what was written."""
    parser = command_line.options(__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="what python -m workbench.nets.train_classifier --out wrote")
    options = parser.parse_args(argv)
    train, test = (data.cifar10(split, options.data) for split in ("train", "test"))
    with torch.inference_mode():
        entries = build(train, test, options.checkpoint, options.out, options.source)
    for entry in entries:
        print(f"wrote {options.out / entry['file']}: {entry['bytes']:,} bytes, {entry['measured']['words']}")


if __name__ == "__main__":
    main()
