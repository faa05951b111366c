"""Noise schedules: alpha(t), sigma(t), lambda(t) = log(alpha / sigma), and the exact inverse t(lambda)."""

from workbench.schedules.base import Schedule
from workbench.schedules.cosine import Cosine
from workbench.schedules.discrete_vp import DiscreteVP
from workbench.schedules.rectified import Rectified
from workbench.schedules.ve import VE
from workbench.schedules.vp import VP

__all__ = ["VE", "VP", "Cosine", "DiscreteVP", "Rectified", "Schedule"]
