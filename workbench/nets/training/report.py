"""What a run says of itself while it goes on: losses, errors on held-out pictures, samples, curves, in files one can open any time."""

import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.artifacts.covariance import SIGMAS
from workbench.atomic import write
from workbench.data.cifar import to_floats
from workbench.denoiser import Denoiser
from workbench.grids import karras
from workbench.nets.held_out import denoising_errors
from workbench.nets.training.pictures import Pictures
from workbench.nets.training.trainer import Step
from workbench.schedules import VE


class Log:
    """A file of one JSON object a line, in the order of steps; what a killed run wrote too much is forgotten when it resumes."""

    def __init__(self, path: Path, start: int) -> None:
        """Keep the lines up to step ``start``."""
        self.path, self.lines = path, []
        if path.exists():
            kept = [line for line in path.read_bytes().splitlines(keepends=True) if _step_of(line) <= start]
            write(path, b"".join(kept))

    def add(self, **values: Any) -> None:
        """Take a line, to be written by the next :meth:`flush`."""
        self.lines.append(json.dumps(values) + "\n")

    def flush(self) -> None:
        """Write what has been taken, to the disk itself."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.writelines(self.lines)
            file.flush()
            os.fsync(file.fileno())
        self.lines = []

    def read(self) -> list[dict[str, Any]]:
        """All lines that have been written."""
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines()] if self.path.exists() else []


def _step_of(line: bytes) -> float:
    """The step of a line; infinite for one that was cut short."""
    try:
        return json.loads(line)["step"] if line.endswith(b"\n") else math.inf
    except (ValueError, KeyError, TypeError):
        return math.inf


class Report:
    """The files of a run's folder besides its checkpoint.

    ``steps.jsonl``: loss, gradient norms and learning rate of every step.  ``validation.jsonl``: errors on held-out pictures.
    ``curves.png`` and ``samples-<step>.png``.

    Args:
        folder: of the run.
        pictures: whose held-out part is denoised.
        rank: of the Gaussian law that the errors are compared with.
        start: the step at which the run (re)starts.
    """

    def __init__(self, folder: Path, pictures: Pictures, rank: int, start: int) -> None:
        self.folder, self.pictures = folder, pictures
        self.steps, self.validation = Log(folder / "steps.jsonl", start), Log(folder / "validation.jsonl", start)
        self.x0 = to_floats(pictures.held_out)
        self.floor = self._errors(pictures.law(rank), None)

    def add(self, step: Step) -> None:
        """Take in what happened in a step."""
        self.steps.add(step=step.number, loss=step.loss, norm=step.norm, norm1=step.norm1, rate=step.rate)

    def examine(self, step: int, model: Denoiser) -> dict[float, float]:
        """Denoise the held-out pictures and return, for each sigma, the error relative to the Gaussian law's, which is 1.

        Below 1, the model knows something that mean and covariance do not tell.
        """
        errors = self._errors(model, self.pictures.held_labels)
        self.validation.add(step=step, sigma=SIGMAS, error=[*errors.values()], gaussian=[*self.floor.values()])
        self.validation.flush()
        return {sigma: errors[sigma] / self.floor[sigma] for sigma in SIGMAS}

    def _errors(self, model: Denoiser, labels: Tensor | None) -> dict[float, float]:
        """The mean squared error a value at each of ``SIGMAS``, from the same noise every time."""
        times = [float(model.schedule.inverse_log_snr(-math.log(sigma))) for sigma in SIGMAS]
        labels = None if labels is None else labels.to(device_of(model))
        generator = torch.Generator().manual_seed(1)
        found = denoising_errors(model, self.x0.to(device_of(model)), times, generator=generator, labels=labels)
        return dict(zip(SIGMAS, found.tolist(), strict=True))

    def draw(self, step: int, model: Denoiser, rows: int = 2, steps: int = 18) -> None:
        """Write a sheet of samples, one column a class (or ten of no class), and the curves of losses and errors.

        The samples are made by ``steps`` steps of Heun's method, the last of them to 0: 2 steps - 1 evaluations.
        """
        from workbench import plots
        from workbench.solve import solve
        from workbench.solvers import Heun

        classes = self.pictures.classes
        columns = min(classes or 10, 10)
        device = device_of(model)
        generators = [torch.Generator().manual_seed(seed) for seed in range(rows * columns)]
        grid = karras(VE(), steps, stop=0.0)
        x = VE().prior((rows * columns, *self.x0.shape[1:]), grid[0], generator=generators, device=device)
        asked = model if classes is None else model.given(torch.arange(columns, device=device).repeat(rows))
        pictures = solve(asked.on(VE()), x, grid, Heun()).x.cpu()
        if pictures.shape[1] in (1, 3):
            title = f"after {step} steps, one column a class" if classes else f"after {step} steps"
            write(self.folder / f"samples-{step:07d}.png", plots.images(pictures, columns=columns, title=title).png())
        self._curves()

    def seen_lines(self) -> dict[object, Any]:
        """Relative errors on held-out pictures at a few noise levels, as curves over steps."""
        seen, lines = self.validation.read(), {}
        for index, sigma in enumerate(SIGMAS):
            if seen and sigma in (0.1, 0.5, 2.0):
                ratio = [line["error"][index] / line["gaussian"][index] for line in seen]
                lines[f"held out, sigma {sigma:g}, error over Gaussian"] = ([line["step"] for line in seen], ratio)
        return lines

    def _curves(self) -> None:
        from workbench import plots

        steps = self.steps.read()
        if not steps:
            return
        width = max(len(steps) // 200, 1)
        means = [sum(line["loss"] for line in steps[k : k + width]) / width for k in range(0, len(steps) - width + 1, width)]
        places = [steps[k + width - 1]["step"] for k in range(0, len(steps) - width + 1, width)]
        lines: dict[object, Any] = {f"loss, mean of {width} steps": (places, means), **self.seen_lines()}
        plot = plots.curves(lines, xlabel="step", ylabel="loss, and error relative to the Gaussian law")
        write(self.folder / "curves.png", plot.png())


def device_of(model: Denoiser) -> torch.device:
    """That of the network inside the model; the CPU for a law."""
    net = getattr(model, "net", None)
    return next(net.parameters()).device if isinstance(net, torch.nn.Module) else torch.device("cpu")
