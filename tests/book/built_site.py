"""Where the built site is, and which pages it has."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"


def site_pages() -> list[str]:
    """Every built page, relative to the site; empty without a site."""
    return sorted(
        path.relative_to(SITE).as_posix()
        for path in SITE.rglob("*.html")
        if "_static" not in path.parts and path.name not in {"genindex.html", "py-modindex.html"}
    )
