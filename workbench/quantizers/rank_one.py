"""Rank-one normalization: a scale for every entry, from one number for each row and one for each column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from workbench.quantizers import packing
from workbench.quantizers.codebook import Codebook
from workbench.quantizers.scales import Parts
from workbench.quantizers.uniform import over


@dataclass(frozen=True)
class RankOne(Codebook):
    """x_ij ~ N_ij c_q with N_ij = min(max_k |x_ik|, max_k |x_kj|) / max|c|, the largest in the row or in the column.

    With more axes it is the smallest of the maxima over all entries that share one coordinate (that of SM3, ``anil2019sm3``).
    So |x_ij| never exceeds N_ij max|c|, and N_ij never exceeds the scale of the whole tensor.  Entries min(a_i, b_j) with
    max a = max b are normalized to 1; products a_i b_j are not, but to max(a_i / max a, b_j / max b).  Stored are R + C
    scales for R C entries.  ``li2023fourbit``.

        >>> RankOne(values=number_formats.linear_without_zero()).nbytes((128, 128))  # 8192 of codes, 2 x 128 x 4 of scales
        9216

    A vector has one entry for each coordinate, which would all be scales; it is cut into blocks instead.

    Args:
        values, bits, rounding, scales: as for :class:`Codebook`.
        vectors: entries of a block for tensors with fewer than two axes.

    Raises:
        ValueError: for a ``block``, or as :class:`Codebook`.
    """

    vectors: int = 128

    paper = "li2023fourbit"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block is not None:
            raise ValueError(f"block is {self.block}; RankOne takes rows and columns, so leave it out, or take a Codebook")
        if isinstance(self.vectors, bool) or not isinstance(self.vectors, int) or self.vectors < 1:
            raise ValueError(f"vectors is {self.vectors!r}; it is the number of entries of a block, at least 1")

    @property
    def for_vectors(self) -> Codebook:
        """What quantizes tensors with fewer than two axes."""
        return Codebook(bits=self.bits, block=(self.vectors,), rounding=self.rounding, scales=self.scales, values=self.values)

    def encode(self, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Parts]:
        """Places in the table, and the maxima along every axis in units of the largest level."""
        if x.ndim < 2:
            codes, parts = self.for_vectors.encode(x.reshape(-1), generator)
            return codes.view(x.shape), parts
        self.check_signs(x)
        sizes, parts = x.abs(), {}
        for axis, n in enumerate(x.shape):
            others = [other for other in range(x.ndim) if other != axis]
            reach = sizes.amax(others) if x.numel() else sizes.new_zeros(n)
            stored = self.scales.encode(reach.double() / self.largest, self.largest)
            parts |= {f"{axis}.{name}": part for name, part in stored.items()}
        return self.place(over(x, self._normalizer(parts, x.shape, x.dtype)), generator), parts

    def decode(self, codes: Tensor, parts: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> Tensor:
        """Normalizer times level."""
        if codes.ndim < 2:
            return self.for_vectors.decode(codes.reshape(-1), parts, dtype).view(codes.shape)
        return self.levels_of(codes, dtype).mul_(self._normalizer(parts, codes.shape, dtype))

    def nbytes(self, shape: Sequence[int]) -> int:
        """Bytes of the codes, and of one scale for each row, column, ..."""
        if len(shape) < 2:
            return self.for_vectors.nbytes((torch.Size(shape).numel(),))
        return packing.nbytes(torch.Size(shape).numel(), self.bits) + sum(self.scales.nbytes((n,)) for n in shape)

    def _normalizer(self, parts: Mapping[str, Tensor], shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """N, in the shape of the tensor."""
        maxima = []
        for axis, n in enumerate(shape):
            own = {name.split(".", 1)[1]: part for name, part in parts.items() if name.startswith(f"{axis}.")}
            view = [n if other == axis else 1 for other in range(len(shape))]
            maxima.append(self.scales.decode(own, (n,)).to(dtype).view(view))
        return reduce(torch.minimum, maxima)
