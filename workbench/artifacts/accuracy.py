"""The recorded table of the accuracy benchmark: errors of methods on grids at equal evaluations, on laws with exact answers."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class AccuracyTable:
    """Made from ``wb.artifacts.load("solver-accuracy")``; how it was measured is said by ``benchmarks/accuracy.py``.

    Attributes:
        facts: what was recorded.
    """

    facts: dict[str, Any]

    @property
    def methods(self) -> list[str]:
        """Names of the methods: a class with the settings that are not its defaults."""
        return self.facts["methods"]

    @property
    def grids(self) -> list[str]:
        """Names of the grids, as in ``wb.grids``."""
        return self.facts["grids"]

    @property
    def budgets(self) -> list[int]:
        """How many evaluations could be spent."""
        return self.facts["budgets"]

    @cached_property
    def keys(self) -> list[tuple[str, str, str, str]]:
        """(law, schedule, kind of error, stop) of every table."""
        return [tuple(entry[part] for part in ("law", "schedule", "error", "stop")) for entry in self.facts["tables"]]

    def errors(
        self, law: str, schedule: str = "VP", error: str = "path", stop: str = "0"
    ) -> Float[Tensor, "methods grids budgets"]:
        """Root mean square errors of one table in units of the data, infinite where there is none.

        Raises:
            ValueError: for a table that was not recorded.
        """
        key = (law, schedule, error, stop)
        if key not in self.keys:
            raise ValueError(f"no table {key} was recorded; there are {', '.join(map(str, self.keys))}")
        entry = self.facts["tables"][self.keys.index(key)]["errors"]
        wide = [[[math.inf if value is None else value for value in row] for row in rows] for rows in entry]
        return torch.tensor(wide, dtype=torch.float64)

    def look_up(
        self, method: str, grid: str, budget: int, law: str, schedule: str = "VP", error: str = "path", stop: str = "0"
    ) -> float:
        """One entry, infinite where there is none.

        Raises:
            ValueError: for a method, grid, budget or table that was not recorded.
        """
        for value, known, what in ((method, self.methods, "method"), (grid, self.grids, "grid"), (budget, self.budgets, "budget")):
            if value not in known:
                raise ValueError(f"{what} {value!r} was not recorded; there are {', '.join(map(str, known))}")
        where = self.methods.index(method), self.grids.index(grid), self.budgets.index(budget)
        return float(self.errors(law, schedule, error, stop)[where])

    def best_of_diffusers(self, law: str, budget: int) -> float:
        """The smallest error of its schedulers at this budget, over all their spacings, to t = 0 on DDPM's table of levels.

        Raises:
            ValueError: for a law on which they were not run.
        """
        rows = [row["errors"][self.budgets.index(budget)] for row in self.facts["diffusers"] if row["law"] == law]
        if not rows:
            raise ValueError(
                f"diffusers was not run on {law!r}; it was on {', '.join({r['law'] for r in self.facts['diffusers']})}"
            )
        return min(error for error in rows if error is not None)

    def regrets(self, keys: list[tuple[str, str, str, str]], budget: int) -> Float[Tensor, "methods grids"]:
        """The largest regret of each pair over several tables: its error divided by the smallest error of that table."""
        errors = torch.stack([self.errors(*key)[:, :, self.budgets.index(budget)] for key in keys])
        return (errors / errors.flatten(1).min(1).values[:, None, None]).max(0).values

    def argmin(self, values: Float[Tensor, "methods grids"]) -> tuple[str, str]:
        """Names of the pair with the smallest value."""
        i, j = divmod(int(values.argmin()), len(self.grids))
        return self.methods[i], self.grids[j]
