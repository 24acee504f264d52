"""What the tests of the command line share: something to probe, and configurations that name it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.threaded import QuietHandler, ThreadedServer

Configure = Callable[..., Path]
"""Called with the tables of probes by name; writes a configuration that probes just these, and returns its path."""


class Web(ThreadedServer):
    """A web server in a thread: ``/ok`` is 200, ``/busy`` 429, ``/together`` answers when two have come, else 503."""

    def __init__(self) -> None:
        meeting = threading.Barrier(2)

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802, the name that the base class calls
                if self.path == "/together":
                    meeting.wait(30)
                self.send_response({"/ok": 200, "/busy": 429, "/together": 200}.get(self.path, 503))
                self.end_headers()

        super().__init__(Handler)

    def probe(self, path: str, *more: str) -> str:
        """A table of a probe that asks for this path."""
        return "\n".join(['kind = "http"', f'url = "http://127.0.0.1:{self.port}{path}"', *more])


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
