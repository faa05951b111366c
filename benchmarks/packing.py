"""What few-bit codes cost beside a copy: packing, unpacking and finding the nearest level, as ratios within one run.

A million codes (uint8) are packed and unpacked, and the time is divided by that of a copy of those million bytes: to pack is to read them
twice (once to see that they fit) and to write fewer, so 2 is the goal for 4 bits.  A million numbers are assigned to the nearest of 16
levels, by comparing and by searching, and the ratio of the two is what decides in ``workbench.quantizers.codebook``.

Ratios alone mean something: times depend on the machine, and on what else it does.  Both sides of a ratio are timed in the same rounds.
"""

from collections.abc import Callable
from unittest import mock

import torch

from benchmarks.overhead import interleaved
from benchmarks.record import parser, report
from workbench.quantizers import Codebook, number_formats, packing

GOALS = {"pack, 4 bits": 2.0, "nearest of 16": 1.0}


def pairs(count: int) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name -> (what is timed, what it is divided by), on ``count`` codes."""
    rng = torch.Generator().manual_seed(0)
    found = {}
    for bits in (1, 2, 4, 8):
        codes = torch.randint(2**bits, (count,), generator=rng, dtype=torch.uint8)
        packed = packing.pack(codes, bits)
        found[f"pack, {bits} bits"] = (lambda codes=codes, bits=bits: packing.pack(codes, bits)), codes.clone
        found[f"unpack, {bits} bits"] = (lambda packed=packed, bits=bits: packing.unpack(packed, bits, count)), codes.clone
    numbers, book = torch.rand(count, generator=rng) * 2 - 1, Codebook(values=number_formats.normal_float())

    def searched() -> None:
        with mock.patch("workbench.quantizers.codebook.COMPARED", 0):
            book.nearest(numbers)

    return found | {"nearest of 16": ((lambda: book.nearest(numbers)), searched)}


def measure(name: str, ours: Callable[[], object], other: Callable[[], object], rounds: int, least: float) -> dict:
    """One row of the table."""
    ratio = interleaved({"ours": ours, "other": other}, rounds, least, ("ours", "other"))["ratio"]
    beside = "searching" if name.startswith("nearest") else "a copy of the codes"
    goal = GOALS.get(name)
    return {"what": name, "beside": beside, "ratio": ratio, "goal": "" if goal is None else "met" if ratio <= goal else "missed"}


def main() -> None:
    """Compare, print, and write if asked."""
    options = parser(__doc__)
    options.add_argument("--count", type=int, default=1_000_000, help="of codes")
    options.add_argument("--rounds", type=int, default=41)
    options.add_argument("--least", type=float, default=0.002, metavar="SECONDS", help="of each timing")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    rows = [measure(name, *pair, arguments.rounds, arguments.least) for name, pair in pairs(arguments.count).items()]
    report("packing", rows, arguments.json, seed=0)


if __name__ == "__main__":
    main()
