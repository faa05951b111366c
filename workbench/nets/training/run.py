"""One training run in a folder: start or resume, train, and keep checkpoint and report as it goes."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from workbench.artifacts.command_line import images_sha256
from workbench.artifacts.networks import pack
from workbench.atomic import write
from workbench.denoiser import Denoiser
from workbench.nets.training import checkpoint, rates, refined
from workbench.nets.training.batches import Batches
from workbench.nets.training.objective import Objective
from workbench.nets.training.pictures import Pictures, read
from workbench.nets.training.processes import Alone, launched
from workbench.nets.training.report import Report
from workbench.nets.training.settings import Settings
from workbench.nets.training.trainer import Trainer, check_precision

FREE = ("steps", "schedule")  # what a resumed run may change, within limits: see _continuable


@runtime_checkable
class What(Protocol):
    """What is trained, a dataclass of plain fields: ``Experiment`` for denoisers, ``workbench.reflow.experiment`` for reflow."""

    drop: float
    flips: bool

    def build(self, pictures: Pictures, seed: int, device: Any) -> Denoiser:
        """The model before training, its random numbers drawn from ``seed``."""

    def objective(self, model: Denoiser) -> Objective:
        """The loss of that model."""

    def report(self, folder: Path, pictures: Pictures, model: Denoiser, start: int) -> Report:
        """What the run says of itself, from step ``start`` on."""

    def about(self, pictures: Pictures) -> dict[str, Any]:
        """What has to be known, besides the network, to use it again: the header of the weights as stored."""

    def tensors(self, model: Denoiser) -> dict[str, Any]:
        """Tensors that have to be known as well, besides those of the network."""


@dataclass(frozen=True)
class Run:
    """Where a run lives and what it writes; nothing here changes a number of it.

    Args:
        folder: made when missing.
        data: see :func:`~workbench.nets.training.pictures.read`.
        resume: go on from the checkpoint in the folder, or start if there is none.
        save_every, report_every: steps between checkpoints, and between validations with samples.
        snapshots: steps at which the averaged weights are kept.
        cpu: train on the CPU even where there is a GPU.

    Raises:
        ValueError: for intervals below 1.
    """

    folder: Path
    data: str | None = None
    resume: bool = False
    save_every: int = 250
    report_every: int = 1000
    snapshots: tuple[int, ...] = ()
    cpu: bool = False

    def __post_init__(self) -> None:
        for name in ("save_every", "report_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}; it is a number of steps and needs to be at least 1")


@dataclass(frozen=True, eq=False)
class Job:
    """A run that nothing stands in the way of any more; :meth:`go` does its steps."""

    trainer: Trainer
    what: What
    run: Run
    pictures: Pictures
    described: dict[str, Any]

    def go(self) -> Denoiser:
        """Train, and return the model with the average of its weights.

        Raises:
            NonFiniteLoss: when training breaks down; the last good checkpoint is left as it is.
        """
        if self.trainer.processes.main:
            self._write()
        else:
            for _ in self.trainer.run():
                pass
        self.trainer.processes.close()
        return self.trainer.averaged

    def _write(self) -> None:
        """The steps that are left, on the process that writes files."""
        self.run.folder.mkdir(parents=True, exist_ok=True)
        report = self.what.report(self.run.folder, self.pictures, self.trainer.averaged, self.trainer.step)
        try:
            self._steps(report)
        finally:
            report.steps.flush()
        self._keep("average.safetensors")

    def _steps(self, report: Report) -> None:
        from tqdm.auto import tqdm

        trainer, run, mean = self.trainer, self.run, None
        total = trainer.settings.steps
        bar = tqdm(trainer.run(), total=total, initial=trainer.step, unit="step", smoothing=0.05)
        for step in bar:
            report.add(step)
            mean = step.loss if mean is None else 0.98 * mean + 0.02 * step.loss
            bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
            last = step.number == total
            if step.number in run.snapshots:
                self._keep(f"average-{step.number:07d}.safetensors")
            if last or step.number % run.report_every == 0:
                report.steps.flush()
                ratios = report.examine(step.number, trainer.averaged)
                report.draw(step.number, trainer.averaged)
                words = "  ".join(f"{sigma:g}: {ratio:.3f}" for sigma, ratio in ratios.items())
                bar.write(f"step {step.number}, loss {mean:.4f}; held-out error over the Gaussian law's, by sigma  {words}")
            if last or step.number % run.save_every == 0:
                report.steps.flush()
                checkpoint.save(run.folder / "checkpoint.pt", trainer.state(), self.described)

    def _keep(self, name: str) -> None:
        """The averaged weights in 16 bits, as ``workbench.artifacts.networks`` reads them."""
        about = self.what.about(self.pictures) | {"images": self.trainer.step * self.trainer.settings.batch}
        tensors = self.what.tensors(self.trainer.averaged)
        write(self.run.folder / name, pack(self.trainer.average.net, tensors, **about))


def prepare(what: What, settings: Settings, run: Run, read: Callable[[str | None], Pictures] = read) -> Job:
    """Check all there is to check, ``read`` the pictures, and build what is to be trained, restored if it is to be resumed.

    Raises:
        ValueError: for what cannot be trained so, a folder with a checkpoint that is not to be resumed, or one of another run.
    """
    processes = launched(run.cpu)
    processes.share(settings.batch)
    check_precision(settings.precision, processes.device)
    outside = [step for step in run.snapshots if not 1 <= step <= settings.steps]
    if outside:
        raise ValueError(f"snapshots at {outside} are outside the run's steps 1 to {settings.steps}; ask for others, or more steps")
    path = run.folder / "checkpoint.pt"
    if path.exists() and not run.resume:
        raise ValueError(f"{path} is there already; pass --resume to go on with it, or another folder")
    pictures = read(run.data)
    described = describe(what, settings, pictures)
    trainer = _trainer(what, settings, pictures, processes)
    if path.exists():
        state, made_with = _continuable(path, settings, described)
        trainer.restore(state)
        if processes.main and made_with != checkpoint.versions():
            print(f"{path} was made with {made_with}, this is {checkpoint.versions()}: the run goes on, its last digits may differ")
    return Job(trainer, what, run, pictures, described)


def _trainer(what: What, settings: Settings, pictures: Pictures, processes: Alone) -> Trainer:
    model = what.build(pictures, settings.seed, processes.device)
    classes = {} if pictures.classes is None else {"classes": pictures.classes}
    batches = Batches(
        pictures.images,
        pictures.labels,
        settings.batch,
        settings.seed,
        drop=what.drop,
        flips=what.flips,
        partners=pictures.partners,
        **classes,
    )
    return Trainer(model, batches, what.objective(model), settings, processes)


def describe(what: What, settings: Settings, pictures: Pictures) -> dict[str, Any]:
    """All that the numbers of a run depend on, flat and plain, to be stored with a checkpoint and compared."""
    rate = settings.schedule
    flat = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    flat |= {field.name: getattr(what, field.name) for field in dataclasses.fields(what)}
    flat["schedule"] = {"name": type(rate).__name__, **dataclasses.asdict(rate)}
    return flat | {"data": pictures.name, "data_sha256": images_sha256(pictures.images)}


def _continuable(path: Path, settings: Settings, described: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """State and versions from the checkpoint, if every step it has done is one that these settings would have done too."""
    state, stored, made_with = checkpoint.load(path)
    wrong = checkpoint.differences(stored, described, FREE)
    if wrong:
        raise checkpoint.CheckpointError(f"{path} is of another run: {'; '.join(wrong)}. Ask for the same, or take another folder")
    step = state["step"]
    if step > settings.steps:
        raise checkpoint.CheckpointError(f"{path} has done {step} steps and you ask for {settings.steps}; ask for more")
    old = stored["schedule"]
    fields = {name: value for name, value in old.items() if name != "name"}
    schedule = getattr(refined if old["name"] == "Refined" else rates, old["name"])(**fields)
    for k in range(step):
        before, now = schedule.factor(k, stored["steps"]), settings.schedule.factor(k, settings.steps)
        if before != now:
            raise checkpoint.CheckpointError(
                f"{path} has done step {k + 1} at {before:.6g} of the learning rate, where {old['name']} over {stored['steps']} steps "
                f"put it, and you ask for {now:.6g} ({type(settings.schedule).__name__} over {settings.steps} steps); the steps done "
                "must stay as they were: a run with a constant rate can be made longer, one with a decaying rate cannot"
            )
    return state, made_with
