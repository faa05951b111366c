"""The standard features of FID, for those who have the Inception weights: an adapter to torch-fidelity, which is not required."""

import os

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.data.cifar import to_bytes


def inception_features(
    images: Float[Tensor, "n 3 height width"], weights: str | os.PathLike[str], *, batch: int = 64
) -> Float[Tensor, "n 2048"]:
    """The 2048 features of the Inception network that FID is defined with, of images in [-1, 1].

    Frechet distances of these (:func:`~workbench.metrics.frechet_distance` between the statistics of 50,000 made images and those of
    the training images) are FID; of any other features they are not.  Pixels are rounded to the 256 levels of a picture file first,
    as FID does.  Needs ``pip install torch-fidelity`` and its file of weights ``weights-inception-2015-12-05-6726825d.pth``; nothing
    is downloaded here.  Paper: ``heusel2017ttur``.

    Raises:
        ImportError: without torch-fidelity.
        FileNotFoundError: if ``weights`` is no file.
        ValueError: for images of another shape, or not finite.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not bool(images.isfinite().all()):
        raise ValueError(f"got images of shape {tuple(images.shape)}; needs finite (n, 3, height, width) in [-1, 1]")
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise ImportError(
            "Inception features come from torch-fidelity: pip install torch-fidelity. Without it, compare by the features of "
            'wb.artifacts.load("cifar10-classifier"), and do not call that FID'
        ) from error
    if not os.path.isfile(weights):
        raise FileNotFoundError(
            f"no file {os.fspath(weights)!r}; get weights-inception-2015-12-05-6726825d.pth from torch-fidelity's releases and give its path"
        )
    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=os.fspath(weights))
    pixels = to_bytes(images.cpu())
    return torch.cat([network(part)[0] for part in pixels.split(batch)])
