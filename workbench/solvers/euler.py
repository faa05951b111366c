"""Euler's method: follow the slope at the start of the step."""

from dataclasses import dataclass

from workbench.solvers.runge_kutta import RungeKutta, Tableau


@dataclass(frozen=True)
class Euler(RungeKutta):
    """y_s = y_t + (rho_s - rho_t) noise(x_t, t) in y = x / alpha: the same step as DDIM.  First order, one evaluation.

    With variable="t":  x_s = x_t + (s - t) velocity(x_t, t), the usual sampler of flow matching, not DDIM.
    """

    tableau = Tableau((0.0,), ((),), (1.0,))
    order = 1
    other_names = ("forward Euler", "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler", "k_euler", "sample_euler")
