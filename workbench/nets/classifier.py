"""A small classifier of CIFAR-10, whose last features are a space in which sets of pictures can be compared."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import gelu, max_pool2d

from workbench.data.cifar import to_floats
from workbench.nets.initial import draw_weights

PATCH = 2  # side of the patches that the first layer whitens


class Stage(nn.Module):
    """conv, max-pool by 2, norm, gelu, conv, norm, gelu: half the side, ``out`` channels."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.conv_in, self.conv_out = (nn.Conv2d(w, out, 3, padding=1, bias=False) for w in (width, out))
        self.norm_in, self.norm_out = nn.BatchNorm2d(out), nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """Pool before the norm, so that everything but one convolution works on a quarter of the pixels."""
        h = gelu(self.norm_in(max_pool2d(self.conv_in(x), 2)))
        return gelu(self.norm_out(self.conv_out(h)))


class Classifier(nn.Module):
    """Logits of ten classes, by six 3x3 convolutions in three stages; the mean of the last stage over its pixels are the *features*.

    The first layer looks at patches of 2x2 pixels and, once :meth:`whiten` has been called, gives their principal components, each
    with both signs and of variance 1.  Whitened patches and pooling before the norm after ``jordan2024airbench``.

    Args:
        widths: channels of the three stages; the last is the number of features.
        classes: number of classes.
        channels: of the images.
        generator: draws the weights.

    Shapes: x (batch, channels, side, side) in [-1, 1] -> logits (batch, classes); side at least 17.

    Raises:
        ValueError: for no widths, or any that is not positive.
    """

    def __init__(
        self, widths: Sequence[int] = (32, 96, 128), classes: int = 10, channels: int = 3, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        widths = tuple(widths)
        if not widths or min(widths) < 1:
            raise ValueError(f"widths={widths}: every stage needs at least one channel")
        self.settings = {"widths": widths, "classes": classes, "channels": channels}
        inputs = 2 * channels * PATCH**2
        with torch.device("meta"):
            self.patches = nn.Conv2d(channels, inputs, PATCH, bias=False)
            self.stages = nn.Sequential(*(Stage(a, b) for a, b in zip((inputs, *widths), widths, strict=False)))
            self.head = nn.Linear(widths[-1], classes)
        draw_weights(self, generator)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch features"]:
        """The last stage, averaged over its pixels: what the classes are read off linearly."""
        h = gelu(self.patches(x.contiguous(memory_format=torch.channels_last)))
        return self.stages(h).mean((2, 3))

    def forward(self, x: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch classes"]:
        """The logits: log-probabilities of the classes, up to a common constant."""
        return self.head(self.features(x))

    @torch.no_grad()
    def whiten(self, images: UInt8[Tensor, "n channels height width"], floor: float = 2e-3) -> None:
        """Set the first layer to +-E^T / sqrt(value + floor), with E and ``value`` the principal components of the patches.

        ``floor`` keeps directions that the images hardly use from being blown up.
        """
        x = to_floats(images)
        size = self.patches.weight.shape[1:]
        patches = x.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).permute(0, 2, 3, 1, 4, 5).reshape(-1, size.numel())
        values, vectors = torch.linalg.eigh((patches - patches.mean(0)).double().T.cov())
        rows = (vectors / (values + floor).sqrt()).T.reshape(-1, *size)
        self.patches.weight.copy_(torch.cat([rows, -rows]))
