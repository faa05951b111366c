"""Draw the picture of the README: the nine pictures of CIFAR-10's Gaussian law, reached in ever more evaluations.

``python book/_tools/readme_picture.py`` writes ``book/images/readme.png``.
"""

from pathlib import Path

import workbench as wb

TARGET = Path(__file__).resolve().parents[1] / "images" / "readme.png"


def main() -> None:
    schedule = wb.schedules.VE()
    law = wb.characters.cifar10(schedule)
    noise = wb.characters.nine(schedule)
    exact = law.flow(noise, schedule.t_first, 0.0)
    rows = {}
    for solver, n in ((wb.solvers.DDIM(), 5), (wb.solvers.DDIM(), 20), (wb.solvers.Heun(), 18)):
        run = wb.solve(law, noise, wb.grids.karras(schedule, n, stop=0.0), solver)
        error = (run.x - exact).square().mean().sqrt()
        rows[f"{type(solver).__name__}, {run.evaluations} evaluations\nerror {error:.1e}"] = run.x
    rows["exact flow map\n0 evaluations"] = exact
    TARGET.parent.mkdir(exist_ok=True)
    wb.plots.images(rows, title="The same nine pictures, cheaper: mean and covariance of CIFAR-10, no network").save(TARGET)


if __name__ == "__main__":
    main()
