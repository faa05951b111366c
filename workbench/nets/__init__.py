"""Networks small enough for one CPU: each reads beside its chapter, and each is a function of its seed."""

from workbench.nets.dit import DiT
from workbench.nets.unet import UNet

__all__ = ["DiT", "UNet"]
