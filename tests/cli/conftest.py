"""What the tests of the command line share: something to probe, and configurations that name it."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Configure = Callable[..., Path]
"""Called with the tables of probes by name; writes a configuration that probes just these, and returns its path."""


class Web:
    """A web server in a thread: ``/ok`` is 200, ``/busy`` 429, ``/together`` answers when two have come, else 503."""

    def __init__(self) -> None:
        meeting = threading.Barrier(2)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/together":
                    meeting.wait(30)
                self.send_response({"/ok": 200, "/busy": 429, "/together": 200}.get(self.path, 503))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port: int = self._server.server_port

    def probe(self, path: str, *more: str) -> str:
        """A table of a probe that asks for this path."""
        return "\n".join(['kind = "http"', f'url = "http://127.0.0.1:{self.port}{path}"', *more])

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server."""
    server = Web()
    yield server
    server.stop()


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Write configurations with probes that give their targets time: the tests' machine may be busy."""
    patient = '[defaults]\ntimeout = "30s"\ninterval = "30s"'

    def write(more: str = "", **tables: str) -> Path:
        probes = [f"[probes.{name.replace('_', '-')}]\n{table}\n" for name, table in tables.items()]
        path = tmp_path / "sidecar.toml"
        path.write_text("\n".join(["derive = false", patient, *probes, more]))
        return path

    return write
