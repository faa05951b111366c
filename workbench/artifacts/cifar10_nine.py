"""Build ``cifar10-nine``, the nine pictures that the network means: ``python -m workbench.artifacts.cifar10_nine``

A network's flow has no closed form, so what a sampler should have drawn is found by a solver with many steps, once, and stored:
for each schedule the end of the flow that starts at its ``t_first`` from the noise of the nine.  How far that is from converged is
measured with half as many steps, and the manifest says so.  As on every grid with ``stop=0``, the last step, from ``t_last`` to 0,
takes the network's data prediction.  Four minutes on one core.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float, Shaped
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor
from tqdm.auto import tqdm

from workbench import artifacts
from workbench.artifacts import command_line
from workbench.artifacts.manifest import ArtifactError, entry_of, publish
from workbench.characters import nine
from workbench.denoiser import Denoiser
from workbench.grids import log_snr
from workbench.metrics import relative_error
from workbench.schedules import VE, VP, Cosine, Rectified, Schedule
from workbench.solve import solve
from workbench.solvers import DPMSolverPP3M

NAME = "cifar10-nine"
NETWORK = "cifar10-denoiser"
SCHEDULES: tuple[Schedule, ...] = (VP(), VE(), Cosine(), Rectified())
"""The flows whose ends are stored; they start at noise of different size, so they end on nine slightly different pictures."""


def build(
    model: Denoiser,
    folder: Path,
    network: dict[str, Any],
    *,
    schedules: Sequence[Schedule] = SCHEDULES,
    steps: int = 256,
) -> dict[str, Any]:
    """Write the nine of ``model``, which has an ``.on(schedule)``, to ``folder`` and return their manifest entry.

    ``network`` is the manifest's entry of the model.  ``measured["distance"]`` holds for each schedule the root mean square between
    these pictures and those of half as many steps, over the standard deviation of all their pixels.

    Raises:
        ValueError: for an odd number of steps, or fewer than 2.
    """
    if steps < 2 or steps % 2:
        raise ValueError(f"steps={steps}; an even number is needed, so that half as many can say how well these have converged")
    pictures: dict[str, Tensor] = {}
    distances: dict[str, float] = {}
    for schedule in tqdm(schedules, desc=NAME, unit="schedule"):
        coarse, fine = (ended(model.on(schedule), n) for n in (steps // 2, steps))
        name = type(schedule).__name__
        pictures[name] = fine.contiguous()
        distances[name] = relative_error(coarse, fine)
    return publish(
        NAME,
        save_safetensors(pictures),
        folder,
        file=f"{NAME}.safetensors",
        kind="pictures",
        source="own-network",
        command=f"python -m workbench.artifacts.cifar10_nine --steps {steps}",
        measured={
            "words": (
                f"The nine of {NETWORK}: the flow from seeds 0 to 8, DPM-Solver++(3M) in {steps} steps of equal log-SNR, "
                f"within {max(distances.values()):.1g} of half as many."
            ),
            "network_sha256": network["sha256"],
            "steps": steps,
            "distance": distances,
        },
    )


def ended(model: Denoiser, steps: int) -> Float[Tensor, "9 channels height width"]:
    """Where the flow of ``model`` ends, from the noise of the nine."""
    schedule = model.schedule
    return solve(model, nine(schedule), log_snr(schedule, steps, stop=0.0), DPMSolverPP3M()).x


def unpack(content: bytes) -> dict[str, Shaped[Tensor, "9 channels height width"]]:
    """Return the pictures by name: floats, or bytes where bytes were stored. Raises ``ArtifactError`` for bytes that are something else."""
    try:
        return load_safetensors(content)
    except Exception as error:
        raise ArtifactError(f"these bytes are no pictures in safetensors form: {error}") from error


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (None: the process's own), build, and say what was written."""
    parser = command_line.plain(__doc__)
    parser.add_argument("--steps", type=int, default=256, help="of the solver; half as many are drawn as well, to compare")
    options = parser.parse_args(argv)
    folder = artifacts.folder_of(NETWORK)
    entry = build(artifacts.load(NETWORK, folder), options.out, entry_of(NETWORK, folder), steps=options.steps)
    command_line.report(options.out, entry)


if __name__ == "__main__":
    main()
