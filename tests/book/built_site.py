"""Where the built site is, which pages it has, and what one of them does in a browser."""

import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
TYPESET = "!window.MathJax || !MathJax.startup || MathJax.startup.promise.then(() => true)"


def site_pages() -> list[str]:
    """Every built page, relative to the site; empty without a site."""
    return sorted(
        path.relative_to(SITE).as_posix()
        for path in SITE.rglob("*.html")
        if "_static" not in path.parts and path.name not in {"genindex.html", "py-modindex.html"}
    )


class Visit:
    """One page in one window, with everything it asked for and complained about."""

    def __init__(self, browser, address: str, path: str, *, width: int = 1280, scheme: str = "light"):
        self.foreign, self.complaints, self.weight, self.requests = [], [], 0, 0
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
        self.page = context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._weigh)
        context.route("**/*", functools.partial(self._gate, address))
        self.page.goto(address + path, wait_until="load")
        self.page.wait_for_function(TYPESET)
        self.page.wait_for_timeout(150)

    def _gate(self, address, route):
        url = route.request.url
        if url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            self.foreign.append(url)
            route.abort()

    def _weigh(self, response):
        if not response.url.startswith("data:"):
            self.requests += 1
            self.weight += int(response.headers.get("content-length", 0))

    def close(self):
        self.page.context.close()
