"""The bar that shows how far something has come."""

from typing import Any


def bar_of(total: int, progress: bool, done: int = 0, unit: str = "step") -> Any:
    """A bar of ``total`` units of which ``done`` are done, or None without ``progress``."""
    if not progress:
        return None
    from tqdm.auto import tqdm

    return tqdm(total=total, initial=done, unit=unit)
