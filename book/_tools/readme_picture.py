"""Draw the picture of the README and of the home page: the nine pictures of the network, ever closer for the same price.

``python book/_tools/readme_picture.py`` writes ``book/images/readme.png``.
"""

from pathlib import Path

import torch

import workbench as wb

TARGET = Path(__file__).resolve().parents[1] / "images" / "readme.png"
EVALUATIONS = 6
JUMP_TO = 8.0


def main() -> None:
    schedule = wb.schedules.VE()
    network, law = wb.characters.network(schedule), wb.characters.cifar10(schedule)
    noise, converged = wb.characters.nine(schedule), wb.characters.nine_pictures(schedule)

    def row(start: torch.Tensor, top: float, solver: wb.solvers.Solver) -> tuple[str, torch.Tensor]:
        run = wb.solve(network, start, wb.grids.karras(schedule, EVALUATIONS, start=top, stop=0.0), solver)
        error = wb.metrics.relative_error(run.x, converged)
        return f"{run.evaluations} evaluations, error {error:.2f}", run.x

    first = schedule.t_first
    two_m = wb.solvers.DPMSolverPP2M()
    jumped = wb.gaussian.teleport(law, noise, first, JUMP_TO)
    tries = {
        "Euler (DDIM)": row(noise, first, wb.solvers.DDIM()),
        "DPM-Solver++(2M)": row(noise, first, two_m),
        "Gaussian jump, then 2M": row(jumped, JUMP_TO, two_m),
    }
    rows = {f"{name}\n{words}": pictures for name, (words, pictures) in tries.items()}
    rows["converged\nas many as it takes"] = converged
    TARGET.parent.mkdir(exist_ok=True)
    wb.plots.images(rows, title="The same nine pictures of one small network, at one price").save(TARGET)


if __name__ == "__main__":
    main()
