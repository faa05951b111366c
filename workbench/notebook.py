"""Where this code runs, and the line that numbers, checks and the scoreboard show there."""

import os
import sys


def shell():
    """The notebook's shell, or None in plain Python (IPython is not imported to find out)."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()


def static() -> bool:
    """Whether a page is being built for reading: ``WORKBENCH_STATIC`` is set, as the book's execution does."""
    return os.environ.get("WORKBENCH_STATIC", "") not in ("", "0")


def line(css: str, edge: str, inside: str, anchor: str = "") -> str:
    """The HTML of one framed line: ``css`` names its kind beside ``wb-claim``, ``edge`` is the style and color of its left edge.

    With ``anchor``, other pages can link to the line.
    """
    style = f"border-left:4px {edge};padding:.1em .7em;margin:.3em 0"
    mark = f' id="{anchor}"' if anchor else ""
    return f'<div class="wb-claim {css}"{mark} style="{style}">{inside}</div>'
