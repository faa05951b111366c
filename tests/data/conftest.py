"""A web server with the faults of real ones."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Site:
    """What the server sends, how it misbehaves, and what it was asked."""

    content: bytes
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)
    status: int | None = None
    shift: int = 0
    requests: list[str | None] = field(default_factory=list)
    url: str = ""


def _handler(site):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            site.requests.append(wanted)
            if site.status:
                self.send_error(site.status)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and site.ranges else 0
            if start >= len(site.content):
                self.send_error(416)
                return
            body = site.content[start:]
            self.send_response(206 if start else 200)
            if start:
                first = start + site.shift
                self.send_header("Content-Range", f"bytes {first}-{len(site.content) - 1}/{len(site.content)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: site.cut_after.pop(0)] if site.cut_after else body)

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture
def serve(monkeypatch):
    """Return a function that serves bytes on this machine and gives back the ``Site``."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("workbench.data.download.time.sleep", lambda seconds: None)
    servers = []

    def start(content, **faults):
        site = Site(content, **faults)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
        site.url = f"http://127.0.0.1:{server.server_port}/tiny.tar.gz"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return site

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
