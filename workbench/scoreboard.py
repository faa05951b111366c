"""The book's scoreboard: how far from the exact pictures, at which price.  One line for each method a chapter tries."""

import html

from jaxtyping import Float
from torch import Tensor

from workbench.claim import Number
from workbench.metrics.relative import relative_error
from workbench.notebook import line, shell


def scoreboard(
    method: str,
    pictures: Float[Tensor, "batch *shape"],
    exact: Float[Tensor, "batch *shape"],
    *,
    evaluations: int,
    bits: int = 32,
    parameters: int = 0,
) -> float:
    """Show one line of the scoreboard and return its error.

    The error is :func:`workbench.metrics.relative_error`: 0 is perfect, 1 is as bad as one gray for all.  price = evaluations x bits x parameters, the numbers a network reads
    in bits for one picture; an exact law has no parameters, and then the price counts evaluations x bits alone.

    The line carries its numbers as metadata of the cell's output, so that all chapters' lines can be collected.

    Args:
        method: its name, as in the method's class.
        pictures: what the method made, from the same noise as ``exact``.
        exact: what the flow makes, exactly or converged.
        evaluations: model calls used.
        bits: bits of each number while computing.
        parameters: of the model.

    Raises:
        ValueError: for shapes that differ, exact pictures that are all alike, or a count below zero (bits below 1).
    """
    if evaluations < 0 or parameters < 0 or bits < 1:
        raise ValueError(f"needs evaluations, parameters >= 0 and bits >= 1; got {evaluations}, {parameters}, {bits}")
    error = relative_error(pictures, exact)
    price = evaluations * bits * (parameters or 1)
    model = f" x {parameters:,} parameters" if parameters else ", an exact law without parameters"
    calls = f"{evaluations} evaluation{'' if evaluations == 1 else 's'}"
    words = f"{method}: {calls}, error {error:.2g}; price {evaluations} x {bits} bits{model}"
    entry = {"method": method, "evaluations": evaluations, "bits": bits, "parameters": parameters, "error": error, "price": price}
    if shell() is None:
        print(f"scoreboard: {words}")
        return Number(error)
    from IPython.display import display

    inside = f"<strong>scoreboard</strong> {html.escape(words).replace(' x ', ' &times; ')}"
    body = line("wb-scoreboard", "double #4B5BA6", inside)
    display(
        {"text/html": body, "text/plain": f"scoreboard: {words}"}, raw=True, metadata={"workbench": {"kind": "scoreboard", **entry}}
    )
    return Number(error)
