"""Optimal transport from a continuous noise law to finitely many stored points, and the shortcut in sampling made of it."""

from workbench.transport.ascent import Ascent, Fitted, Iteration, semi_discrete
from workbench.transport.cells import SemiDiscrete, on_a_line
from workbench.transport.shortcut import Shortcut, Stored, stored_latents

__all__ = ["Ascent", "Fitted", "Iteration", "SemiDiscrete", "Shortcut", "Stored", "on_a_line", "semi_discrete", "stored_latents"]
