"""Data with known answers: ten 2-D toys with exact densities, and CIFAR-10."""

from workbench.data import toys
from workbench.data.archive import ArchiveError, ArchiveSpec
from workbench.data.cifar import CIFAR10_ARCHIVE, CLASSES, Cifar10, cifar10, data_root, to_bytes, to_floats
from workbench.data.download import DownloadError

__all__ = [
    "CIFAR10_ARCHIVE",
    "CLASSES",
    "ArchiveError",
    "ArchiveSpec",
    "Cifar10",
    "DownloadError",
    "cifar10",
    "data_root",
    "to_bytes",
    "to_floats",
    "toys",
]
