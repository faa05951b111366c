"""What the tests of the book share: its chapters, its built pages, and a browser on them."""

import functools
import json
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from built_site import ROOT, SITE


@pytest.fixture(scope="session")
def site() -> Path:
    if not (SITE / "index.html").is_file():
        pytest.skip("there is no built site; run 'make book' first")
    return SITE


@pytest.fixture(scope="session")
def notebook():
    """Read a chapter by its name in the table of contents."""
    return functools.cache(lambda chapter: json.loads((ROOT / f"{chapter}.ipynb").read_text("utf8")))


@pytest.fixture(scope="session")
def address(site):
    """The site served from this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium; install it (Debian: apt-get install chromium) or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """One page in one window, with everything it asked for and complained about."""

    def __init__(self, browser, address: str, path: str, *, width: int = 1280, scheme: str = "light"):
        self.foreign, self.complaints, self.weight = [], [], 0
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._weigh)
        context.route("**/*", functools.partial(self._gate, address))
        self.page.goto(address + path, wait_until="load")
        self.page.wait_for_function("!window.MathJax || !MathJax.startup || MathJax.startup.promise.then(() => true)")
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
            self.weight += int(response.headers.get("content-length", 0))

    def close(self):
        self.page.context.close()


@pytest.fixture
def visit(browser, address):
    """Open a page of the site; closed again after the test."""
    visits = []

    def open_page(path, **options):
        visits.append(Visit(browser, address, path, **options))
        return visits[-1]

    yield open_page
    for one in visits:
        one.close()
