"""What a run of reflow says of itself: the loss on held-out pairs at several times, and samples of one, two and four steps."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.atomic import write
from workbench.data.cifar import to_floats
from workbench.denoiser import Denoiser
from workbench.gaussian import GaussianCoupling
from workbench.grids import uniform
from workbench.nets.training.pictures import Pictures
from workbench.nets.training.report import Log, Report, device_of

TIMES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)
STEPS = (1, 2, 4)


class FlowReport(Report):
    """The files of a run's folder besides its checkpoint: those of :class:`Report`, for a flow.

    Args:
        folder: of the run.
        pictures: whose held-out pairs are looked at.
        law: the affine flow that losses are compared with.
        start: the step at which the run (re)starts.
    """

    def __init__(self, folder: Path, pictures: Pictures, law: GaussianCoupling, start: int) -> None:
        self.folder, self.pictures = folder, pictures
        self.steps, self.validation = Log(folder / "steps.jsonl", start), Log(folder / "validation.jsonl", start)
        first = len(pictures.images)
        self.x0 = to_floats(pictures.held_out)
        self.noise = pictures.partners.partners.noise(torch.arange(first, first + len(self.x0)))
        self.affine = held_out_losses(law, self.x0, self.noise, None)

    def examine(self, step: int, model: Denoiser) -> dict[float, float]:
        """For each of ``TIMES`` the loss on held-out pairs relative to the affine flow's, which is 1."""
        losses = held_out_losses(model, self.x0, self.noise, self.pictures.held_labels)
        self.validation.add(step=step, time=TIMES, loss=[*losses.values()], affine=[*self.affine.values()])
        self.validation.flush()
        return {t: losses[t] / self.affine[t] for t in TIMES}

    def draw(self, step: int, model: Denoiser, rows: int = 1, steps: tuple[int, ...] = STEPS) -> None:
        """Write a sheet of samples, a row for each number of Euler steps from the same noise, and the curves."""
        from workbench import plots
        from workbench.solve import solve
        from workbench.solvers import Euler

        classes, device = self.pictures.classes, device_of(model)
        columns = min(classes or 10, 10)
        noise = self.noise[:columns].to(device)
        asked = model if classes is None else model.given(self.pictures.held_labels[: len(noise)].to(device))
        grids = [uniform(model.schedule, n, start=1.0, stop=0.0) for n in steps]
        ends = [solve(asked, noise, grid, Euler(variable="t")).x.cpu() for grid in grids]
        title = f"after {step} steps: {', '.join(map(str, steps))} evaluations, and the pairs' own ends"
        sheet = plots.images(torch.cat([*ends, self.x0[: len(noise)]]), columns=len(noise), title=title)
        write(self.folder / f"samples-{step:07d}.png", sheet.png())
        self._curves()

    def seen_lines(self) -> dict[object, Any]:
        """Relative losses at a few times, as curves over steps."""
        seen, lines = self.validation.read(), {}
        for index, t in enumerate(TIMES):
            if seen and t in (0.1, 0.5, 1.0):
                ratio = [line["loss"][index] / line["affine"][index] for line in seen]
                lines[f"held out, t = {t:g}, loss over affine"] = ([line["step"] for line in seen], ratio)
        return lines


@torch.no_grad()
def held_out_losses(model: Denoiser, x0: Tensor, noise: Tensor, labels: Tensor | None, batch: int = 64) -> dict[float, float]:
    """E|velocity(x_t, t) - (z - x_0)|^2 / d over these pairs at each of ``TIMES``."""
    sums, device = dict.fromkeys(TIMES, 0.0), device_of(model)
    for low in range(0, len(x0), batch):
        clean, other = x0[low : low + batch].to(device), noise[low : low + batch].to(device)
        asked = model if labels is None else model.given(labels[low : low + batch].to(device))
        for t in TIMES:
            error = asked.velocity((1 - t) * clean + t * other, t) - (other - clean)
            sums[t] += error.double().square().sum().item()
    return {t: total / x0.numel() for t, total in sums.items()}
