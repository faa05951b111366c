"""What the tests of the book share: its chapters, its built pages, and a browser on them."""

import functools
import json
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import site_table
from built_site import ROOT, SITE, Visit


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


def pytest_terminal_summary(terminalreporter):
    """The table of the pages, from whichever tests of the browser ran."""
    reports = [r for group in terminalreporter.stats.values() for r in group if hasattr(r, "user_properties")]
    if found := site_table.rows(reports):
        text = site_table.markdown(found)
        (ROOT / "_build" / "site-table.md").write_text(text, "utf8")
        terminalreporter.write_line("\n" + text)
