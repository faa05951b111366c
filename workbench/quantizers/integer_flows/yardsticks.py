"""What everyday lossless formats need for the same pictures."""

import io
import lzma
import math
import zlib

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor


def yardsticks(x: UInt8[Tensor, "n 3 h w"]) -> dict[str, float]:
    """Bits per dimension of ``x`` in zlib, lzma, PNG and, where Pillow has it, lossless WebP, each at its strongest setting.

    zlib and lzma see the bytes plane after plane.  PNG and WebP see one large sheet, so that nobody pays for a header per picture.

    Raises:
        ValueError: for no pictures.
    """
    if not len(x):
        raise ValueError("got no pictures; give at least one")
    from PIL import features

    raw = x.contiguous().numpy().tobytes()
    sizes = {"zlib": len(zlib.compress(raw, 9)), "lzma": len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))}
    sizes["PNG"] = _size(x, "PNG", optimize=True)
    if features.check("webp"):
        sizes["WebP"] = _size(x, "WEBP", lossless=True, quality=100, method=6)
    return {name: 8 * size / x.numel() for name, size in sizes.items()}


def sheet(x: UInt8[Tensor, "n 3 h w"]) -> np.ndarray:
    """The pictures side by side, as nearly in a square as their number allows without an empty place, as (height, width, 3)."""
    n, _, h, w = x.shape
    rows = next(k for k in range(math.isqrt(n), 0, -1) if n % k == 0)
    grid = x.view(rows, n // rows, 3, h, w).permute(0, 3, 1, 4, 2).reshape(rows * h, n // rows * w, 3)
    return grid.contiguous().numpy()


def halved(images: UInt8[Tensor, "n c h2 w2"]) -> UInt8[Tensor, "n c h w"]:
    """Pictures of half the side: the mean of each 2 x 2 square, rounded to nearest, halves up, in whole numbers."""
    n, c, h, w = images.shape
    total = images.view(n, c, h // 2, 2, w // 2, 2).sum((3, 5), dtype=torch.int16)
    return ((total + 2) >> 2).to(torch.uint8)


def _size(x: Tensor, kind: str, **options) -> int:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(sheet(x)).save(buffer, kind, **options)
    return buffer.tell()
