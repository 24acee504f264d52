"""A receiver of webhooks in a thread, for tests that wait for processes meanwhile."""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from servers.deployment import WITHIN


class Hook:
    """A receiver in a thread, which answers 204, or what it is told to answer."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict] = queue.Queue()
        self.status = 204
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(hook.status)
                self.end_headers()
                hook.events.put(json.loads(body))

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def sink(self, keys: str = "") -> str:
        """The table of a sink that is this receiver."""
        url = f"http://127.0.0.1:{self._server.server_port}/hook?token=hunter2hunter2"
        return f'\n[notify.sinks.ops]\nkind = "webhook"\nurl = "{url}"\n{keys}'

    def next(self) -> dict:
        """Wait for the next message."""
        return self.events.get(timeout=WITHIN)

    def until(self, event: str) -> list[dict]:
        """Wait for this message; returns all that came, it included."""
        told = [self.next()]
        while told[-1]["data"]["event"] != event:
            told.append(self.next())
        return told

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver of webhooks."""
    hook = Hook()
    yield hook
    hook.stop()
