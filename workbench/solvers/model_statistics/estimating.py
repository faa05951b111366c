"""Statistics of any denoiser, measured on noised data: streaming, with a checkpoint, and never lost by an interruption.

Book: ``solvers/best_parameterization``.  Papers: ``zheng2023dpmsolverv3``; the diagonal ``hutchinson1989trace``.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.solvers.model_statistics.basis import Basis
from workbench.solvers.model_statistics.derivatives import Derivatives, look
from workbench.solvers.model_statistics.statistics import ModelStatistics
from workbench.solvers.model_statistics.sums import Drift, Sums


def estimate(
    model: Denoiser,
    data: Tensor | Iterable[Tensor],
    *,
    generator: torch.Generator,
    nodes: int = 64,
    start: float | None = None,
    stop: float | None = None,
    batch: int = 32,
    passes: int = 1,
    basis: Basis | None = None,
    pool: Sequence[int] | None = None,
    drift: Drift = "fitted",
    derivatives: Derivatives = "exact",
    checkpoint: str | Path | None = None,
    progress: bool = False,
) -> ModelStatistics:
    """l, s and b of ``model``, as means over the data and over noise, at equally spaced log-SNR.

    At every node and for every picture: x = alpha x_0 + sigma eps, the answer, its derivative along the flow, and its derivative along a
    random direction z of signs, for E[z . (sigma d noise/dx) z].  All of a batch is done before the next is read.  Ctrl-C ends the estimate
    early, with what was seen; with a ``checkpoint`` the same call goes on where it stopped, to the same bits.

    Args:
        model: any denoiser, on any schedule.
        data: clean samples (n, \\*shape); or batches of them, an iterable that starts again with every loop.
        generator: draws one seed, from which all noise follows.
        nodes: how many values of lambda.
        start, stop: the noisiest and the cleanest time, ``schedule.t_first`` and ``schedule.t_last`` if None.
        batch: pictures at a time, where ``data`` is a tensor.
        passes: how often the data are gone through, with new noise each time.
        basis: coordinates in which the statistics act; None for the entries of a sample.
        pool: axes of a sample (or of its coordinates) over which the statistics are the same, such as (1, 2) for one value a channel.
        drift: "fitted", the regression of f' on f (the paper's), which needs many pictures; or "linear", s = l - 1, that of a Gaussian.
        derivatives: "exact" (forward mode) or "differences" (central differences; for models that cannot be differentiated).
        checkpoint: a file for the sums so far, written after every batch.
        progress: show a progress bar.

    Returns:
        ModelStatistics; ``evaluations`` is the cost: 5 a picture and node (a forward-mode product counts as two).

    Raises:
        TypeError, ValueError: for bad settings, before the model is asked.
        CheckpointError: for a checkpoint of another estimate.
        KeyboardInterrupt: when stopped before every node has seen two pictures.
    """
    if drift not in ("fitted", "linear"):
        raise ValueError(f"drift must be 'fitted' or 'linear', got {drift!r}")
    lam, (sums,) = gather(
        model, data, (basis,), generator=generator, nodes=nodes, start=start, stop=stop, batch=batch, passes=passes,
        derivatives=derivatives, checkpoint=checkpoint, progress=progress,
    )  # fmt: skip
    return sums.statistics(lam, basis, pool, drift)


def gather(
    model: Denoiser,
    data: Tensor | Iterable[Tensor],
    bases: Sequence[Basis | None],
    *,
    generator: torch.Generator,
    nodes: int,
    start: float | None = None,
    stop: float | None = None,
    batch: int = 32,
    passes: int = 1,
    derivatives: Derivatives = "exact",
    checkpoint: str | Path | None = None,
    progress: bool = False,
) -> tuple[Tensor, tuple[Sums, ...]]:
    """The nodes, and the sums for each of ``bases``, of the same looks at the model: what :func:`estimate` is made of."""
    lam = _checked(model, generator, nodes, start, stop, batch, passes, derivatives)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    sums: tuple[Sums, ...] = ()
    path = None if checkpoint is None else Path(checkpoint)
    names = [type(basis).__name__ for basis in bases]
    about = {"seed": seed, "nodes": lam.tolist(), "bases": names, "derivatives": derivatives}
    bar, done, visit = None, 0, 0
    try:
        for _ in range(passes):
            for clean in _batches(data, batch):
                if not sums:
                    shapes = [list(clean.shape[1:] if basis is None else basis.shape) for basis in bases]
                    about["shapes"] = shapes
                    sums, done = _begun(path, about, len(lam), shapes)
                    bar = _bar(progress, passes, data, batch, nodes, done)
                for node, place in enumerate(lam.tolist()):
                    if visit >= done:
                        _visit(model, clean, place, node, torch.Generator().manual_seed(seed + visit), derivatives, bases, sums)
                        done = visit + 1
                        bar.update()
                    visit += 1
                if path is not None and done == visit:
                    _keep(path, sums, done, about)
    except KeyboardInterrupt:
        if _least(sums) < 2:
            raise
    finally:
        if bar is not None:
            bar.close()
    if _least(sums) < 2:
        raise ValueError("statistics need at least two pictures at every node; the data have fewer")
    if path is not None:
        _keep(path, sums, done, about)
    return lam, sums


def _least(sums: Sequence[Sums]) -> int:
    """How many pictures every node has seen."""
    return min((int(one.count.min()) for one in sums), default=0)


def _visit(model, clean: Tensor, lam: float, node: int, generator: torch.Generator, how, bases, sums) -> None:
    """One batch at one node, with noise and direction of its own; the second half has the noise of the first, negated.

    So the noise has mean 0 in the sample too, and what is left of its mean cannot pass for a mean of the model.
    """
    half = torch.randn(-(-len(clean) // 2), *clean.shape[1:], generator=generator)
    noise = torch.cat([half, -half])[: len(clean)].to(clean)
    z = (torch.randint(0, 2, clean.shape, generator=generator) * 2 - 1).to(clean)
    seen = look(model, torch.add(clean, noise, alpha=math.exp(-lam)), lam, z, how)
    for one, basis in zip(sums, bases, strict=True):
        one.add(node, seen, z, basis)


def _checked(model, generator, nodes, start, stop, batch, passes, derivatives) -> Tensor:
    """The nodes."""
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"estimate draws noise and needs a torch.Generator, got {type(generator).__name__}")
    if derivatives not in ("exact", "differences"):
        raise ValueError(f"derivatives must be 'exact' or 'differences', got {derivatives!r}")
    for name, value, least in (("nodes", nodes, 2), ("batch", batch, 1), ("passes", passes, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    schedule = model.schedule
    first, last = (
        schedule.log_snr(float(end if end is not None else own))
        for end, own in ((start, schedule.t_first), (stop, schedule.t_last))
    )
    if not -math.inf < first < last < math.inf:
        raise ValueError(f"the nodes run from noise to data between finite log-SNR, got {first} to {last}; set start > stop > 0")
    return torch.linspace(first, last, nodes, dtype=torch.float64)


def _batches(data, batch: int) -> Iterable[Tensor]:
    for part in data.split(batch) if isinstance(data, Tensor) else data:
        if not isinstance(part, Tensor) or not part.is_floating_point() or part.ndim < 2:
            got = f"{part.dtype} {tuple(part.shape)}" if isinstance(part, Tensor) else type(part).__name__
            raise TypeError(
                f"data must be floating-point samples (n, *shape), got {got}; for images in bytes use wb.data.to_floats"
            )
        yield part


def _begun(path: Path | None, about: dict, nodes: int, shapes: Sequence[Sequence[int]]) -> tuple[tuple[Sums, ...], int]:
    """The sums of the checkpoint and how many visits they hold, or empty ones."""
    if path is None or not path.exists():
        return tuple(Sums.empty(nodes, shape) for shape in shapes), 0
    from workbench.nets.training.checkpoint import CheckpointError, differences, load

    state, stored, _ = load(path)
    if wrong := differences(stored, about):
        raise CheckpointError(f"{path} is of another estimate: {'; '.join(wrong)}. Ask for the same, or take another file")
    return tuple(Sums(*pair) for pair in state["sums"]), state["done"]


def _keep(path: Path, sums: Sequence[Sums], done: int, about: dict) -> None:
    from workbench.nets.training.checkpoint import save

    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, {"sums": [(one.total, one.count) for one in sums], "done": done}, about)


def _bar(progress: bool, passes: int, data, batch: int, nodes: int, done: int):
    from tqdm.auto import tqdm

    total = passes * nodes * math.ceil(len(data) / batch) if isinstance(data, Tensor) else None
    return tqdm(total=total, initial=done, desc="model statistics", disable=not progress)
