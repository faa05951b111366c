"""Factored second moments: the means of rows and of columns, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.quantizers.quantizer import Quantized, checked


@dataclass(frozen=True)
class Factored:
    """x_ij ~ r_i c_j / mean(r) with r the means of the rows and c those of the columns (``shazeer2018adafactor``).

    For numbers that are not negative.  Exact where entries are products a_i b_j; elsewhere rows and columns keep their means: that of row i over j is r_i
    mean(c) / mean(r) = r_i.  So a moving average of matrices may be kept as the moving averages of r and c, without
    another error than this one.  A tensor with more axes is taken as a matrix, first axis by the rest; one with fewer is
    kept as it is.

    It stands where a quantizer stands in :class:`AdamW`, which then divides by the *stored* second moment, as its paper does.
    """

    used_as_stored = True
    paper = "shazeer2018adafactor"

    @torch.no_grad()
    def quantize(self, x: Tensor, generator: torch.Generator | None = None) -> Quantized:
        """Return the means of ``x``.

        Raises:
            TypeError: for a tensor that is not floating-point.
            ValueError: for NaN, infinity or negative numbers.
        """
        work = checked(x)
        if bool((work < 0).any()):
            raise ValueError("factors describe numbers that are not negative, such as mean squares; quantize the others")
        if x.ndim < 2 or not x.numel():
            return Quantized(self, x.shape, x.dtype, {"all": work.clone()})
        matrix = work.reshape(len(x), -1)
        return Quantized(self, x.shape, x.dtype, {"rows": matrix.mean(1), "columns": matrix.mean(0)})

    def restore(self, parts: Mapping[str, Tensor], shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """r_i (c_j / mean(r)), 0 where all is 0; divided first, for the product of two small numbers may be 0."""
        if "all" in parts:
            return parts["all"].to(dtype).clone()
        rows, columns = parts["rows"], parts["columns"]
        mean = rows.mean()
        share = torch.where(mean > 0, columns / mean, 0.0)
        return torch.outer(rows, share).view(*shape).to(dtype)

    def nbytes(self, shape: Sequence[int]) -> int:
        """4 bytes for each row and each column."""
        count = torch.Size(shape).numel()
        return 4 * (count if len(shape) < 2 or not count else shape[0] + count // shape[0])
