"""Number formats under the names that people use: one tuple that tests, tables and comparisons walk through."""

from dataclasses import dataclass

import torch

from workbench.quantizers import number_formats
from workbench.quantizers.affine import Affine
from workbench.quantizers.codebook import Codebook, mxfp4, nf4, nvfp4
from workbench.quantizers.doubled import Doubled
from workbench.quantizers.noise import sqnr
from workbench.quantizers.quantizer import Quantizer
from workbench.quantizers.rank_one import RankOne
from workbench.quantizers.scales import Float, PowerOfTwo


@dataclass(frozen=True)
class Format:
    """A quantizer with a name.

    Attributes:
        name: as people say it.
        quantizer: what makes it.
        signed: whether it has negative levels; those without are for second moments and the like.
        chapter: where the book explains it, as part and topic.
    """

    name: str
    quantizer: Quantizer
    signed: bool = True
    chapter: str = "quantizers/rounding"

    def bits_per_entry(self, rows: int = 256, columns: int = 256) -> float:
        """Stored bits a number of a matrix, steps included: 8 nbytes / (rows columns)."""
        return 8 * self.quantizer.nbytes((rows, columns)) / (rows * columns)

    def sqnr(self, generator: torch.Generator, rows: int = 256, columns: int = 256) -> float:
        """Signal over noise in decibels of a matrix of normal numbers; of their absolute values where there are no negative levels.

        Raises:
            TypeError: for a generator that is none.
        """
        if not isinstance(generator, torch.Generator):
            raise TypeError(f"got generator={generator!r}; pass torch.Generator().manual_seed(0)")
        x = torch.randn(rows, columns, generator=generator)
        x = x if self.signed else x.abs()
        return sqnr(x, self.quantizer.simulate(x, generator))


_MOMENTS = "quantizers/small_optimizers"
FORMATS: tuple[Format, ...] = (
    Format("INT8, one step a row", Affine(bits=8, block=(1, -1))),
    Format("INT8, with a zero point", Affine(bits=8, block=(1, -1), zero="integer")),
    Format(
        "INT8, tiles of 32 x 32",
        Affine(bits=8, block=(32, 32), scales=Float(torch.float16)),
        chapter="quantizers/training_in_integers",
    ),
    Format("INT6, one step a row", Affine(bits=6, block=(1, -1))),
    Format("INT4, one step a row", Affine(bits=4, block=(1, -1))),
    Format("INT4, one step a row, range of least error", Affine(bits=4, block=(1, -1), clip="mse")),
    Format("INT4, blocks of 128", Affine(bits=4, block=(1, 128))),
    Format("INT4, blocks of 64, 16-bit steps", Affine(bits=4, block=(1, 64), scales=Float(torch.float16))),
    Format("INT4, blocks of 32", Affine(bits=4, block=(1, 32))),
    Format("INT4, blocks of 32, steps powers of 2", Affine(bits=4, block=(1, 32), scales=PowerOfTwo())),
    Format("INT4, blocks of 32, 8-bit steps", Affine(bits=4, block=(1, 32), scales=Doubled(Affine(bits=8, block=(256,))))),
    Format("INT3, blocks of 32", Affine(bits=3, block=(1, 32))),
    Format("INT2, blocks of 32", Affine(bits=2, block=(1, 32))),
    Format(
        "2 bits between smallest and largest, stochastic",
        Affine(bits=2, block=(256,), zero="free", rounding="stochastic"),
        chapter="quantizers/small_memories",
    ),
    Format("NF4", nf4()),
    Format("NF4, double quantization", nf4(double=True)),
    Format("MXFP4", mxfp4()),
    Format("NVFP4", nvfp4()),
    Format("Dynamic exponent, 8 bits, blocks of 256", Codebook(values=number_formats.dynamic(8), block=(256,)), chapter=_MOMENTS),
    Format("Dynamic exponent, 4 bits, blocks of 128", Codebook(values=number_formats.dynamic(), block=(128,)), chapter=_MOMENTS),
    Format(
        "Dynamic exponent without zero, unsigned",
        Codebook(values=number_formats.dynamic_without_zero(), block=(128,)),
        False,
        _MOMENTS,
    ),
    Format("Linear without zero, unsigned, rank-1", RankOne(values=number_formats.linear_without_zero()), False, _MOMENTS),
)
