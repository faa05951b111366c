"""Train a small network on a tensor of samples, in one call."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from workbench.denoiser import Denoiser
from workbench.nets.training.batches import Batches, Partners, seed_of
from workbench.nets.training.flow_matching import FlowMatching
from workbench.nets.training.levels import LogNormal
from workbench.nets.training.objective import Denoising, Objective
from workbench.nets.training.rates import Linear, Rate
from workbench.nets.training.resuming import check_path, kept
from workbench.nets.training.settings import Settings
from workbench.nets.training.trainer import ADAMW, Step, Trainer, network_of
from workbench.preconditioned import Preconditioned


def fit(
    model: Denoiser,
    x0: Tensor,
    *,
    steps: int,
    generator: torch.Generator,
    batch: int = 512,
    rate: float = 1e-2,
    schedule: Rate | None = None,
    objective: Objective | None = None,
    labels: Tensor | None = None,
    partners: Partners | None = None,
    optimizer: Callable[..., torch.optim.Optimizer] = ADAMW,
    drop: float = 0.15,
    halflife: float = 50_000,
    checkpoint: Path | None = None,
    save_every: int = 500,
    progress: bool = False,
    callback: Callable[[Step, Denoiser], object] | None = None,
) -> Denoiser:
    """Return ``model`` with its network trained on the samples ``x0``; ``model`` itself is left as it is.

        net  = wb.nets.MLP(2, generator=rng)
        ring = wb.nets.fit(wb.EDMDenoiser(net, sigma_data=1.4), x0, steps=1500, generator=rng)

    Seconds for points of the plane.  Pictures are trained by ``python -m workbench.nets.train``, which runs the same loop.

    Args:
        model: what to train: an untrained network in its wrapping, ``EDMDenoiser``, ``GaussianPreconditioned``, or
            ``NetworkDenoiser(net, Rectified(), predicts="velocity")``.
        x0: the data, floats (n, \\*shape); every sample is seen once an epoch.
        steps: of the optimizer.
        generator: one number is drawn from it, the seed of all that follows.
        batch: samples a step.
        rate: the largest learning rate.
        schedule: its factor as training goes on; by default linear decay after a warm-up of 50 steps.
        objective: by default ``Denoising`` for a preconditioned model and ``FlowMatching`` for any other.
        labels: (n,) classes, for a network that takes them.
        partners: gives each sample its noise; None draws it afresh.  ``wb.reflow.fit`` takes care of it.
        optimizer: makes the optimizer from parameters, lr, betas, eps and weight_decay: ``wb.quantizers.AdamW``, or a partial of it.
        drop: the share of labels replaced by no class.
        halflife: of the average of the weights, in samples.
        checkpoint: a file, replaced as a whole as training goes on; after an interruption of any kind the same call goes on from it,
            and ends with the very weights it would have ended with.  None keeps none.
        save_every: steps between two checkpoints.
        progress: whether to show a progress bar.
        callback: called after each step with the :class:`Step` and the averaged model as it is then.

    Returns:
        The model with the average of the weights.

    Raises:
        ValueError, TypeError: for what cannot be trained, before any work.
        CheckpointError: for a checkpoint of another run; the message says what differs.
        NonFiniteLoss: when training breaks down.
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"fit draws, and got generator={generator!r}; pass generator=torch.Generator().manual_seed(0)")
    net = network_of(model)
    if checkpoint is not None:
        check_path(checkpoint, save_every)
    if not x0.is_floating_point() or not bool(x0.isfinite().all()):
        raise ValueError(f"x0 has dtype {x0.dtype} and must be finite floats; for uint8 pictures use wb.data.to_floats")
    seed = seed_of(generator)
    settings = Settings(steps, batch, rate, schedule or Linear(warmup=50), halflife=halflife, seed=seed)
    own = copy.deepcopy(net).requires_grad_(True).train()
    classes = None if labels is None else getattr(own, "settings", {}).get("classes", getattr(own, "classes", None))
    if labels is not None and classes is None:
        raise ValueError(f"labels were given, but {type(own).__name__} has no classes; build it with classes=...")
    batches = Batches(x0.cpu(), labels, batch, seed, classes=classes or 0, drop=drop, flips=False, partners=partners)
    objective = objective or (Denoising(LogNormal(0.0, 1.5)) if isinstance(model, Preconditioned) else FlowMatching())
    trainer = Trainer(replace(model, net=own), batches, objective, settings, optimizer=optimizer)
    steps_left = trainer.run() if checkpoint is None else kept(trainer, checkpoint, save_every)
    for done in _shown(steps_left, trainer, progress):
        if callback is not None:
            callback(done, trainer.averaged)
    return trainer.averaged


def _shown(steps_left, trainer: Trainer, progress: bool):
    if not progress:
        return steps_left
    from tqdm.auto import tqdm

    return tqdm(steps_left, total=trainer.settings.steps, initial=trainer.step, unit="step")
