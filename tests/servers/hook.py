"""A receiver of webhooks in a thread, for tests that wait for processes meanwhile."""

import json
import queue
from collections.abc import Iterator

import pytest
from servers.deployment import WITHIN
from servers.threaded import QuietHandler, ThreadedServer


class Hook(ThreadedServer):
    """A receiver in a thread, which answers 204, or what it is told to answer."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict] = queue.Queue()
        self.status = 204
        hook = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802, the name that the base class calls
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(hook.status)
                self.end_headers()
                hook.events.put(json.loads(body))

        super().__init__(Handler)

    def sink(self, keys: str = "") -> str:
        """The table of a sink that is this receiver."""
        url = f"http://127.0.0.1:{self.port}/hook?token=hunter2hunter2"
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


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver of webhooks."""
    hook = Hook()
    yield hook
    hook.stop()
