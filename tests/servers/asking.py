"""Asking a health port, once or without pause."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

WITHIN = 10.0
"""Seconds; only so that an answer that never comes becomes a failing test."""

_BREATH = 0.005
"""Seconds between two questions of a watch: frequent, and yet no load."""


class Answer(NamedTuple):
    """What a health port said."""

    status: int
    body: Any
    """Decoded, where it is JSON."""
    asked: float
    """When, in seconds of CLOCK_MONOTONIC."""
    answered: float


def ask(port: int, path: str = "/health/ready") -> Answer:
    """Ask once, over a fresh connection. Raises ``OSError`` or ``HTTPException`` when nobody answers."""
    asked = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
        is_json = "json" in response.headers["Content-Type"]
        return Answer(response.status, json.loads(body) if is_json else body, asked, time.monotonic())
    finally:
        connection.close()


def tell(port: int, order: str) -> None:
    """Give the sham gateway an order."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN)
    try:
        connection.request("POST", f"/-/{order}")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


@contextmanager
def holding(port: int) -> Iterator[http.client.HTTPResponse]:
    """Have a request in flight at the sham gateway, from which half of the reply has come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN)
    try:
        connection.request("GET", "/hold")
        response = connection.getresponse()
        assert response.read(5) == b"first"
        yield response
    finally:
        connection.close()


class Watch:
    """Asks one path without pause, from a thread of its own."""

    def __init__(self, port: int, path: str) -> None:
        self.answers: list[Answer] = []
        self.over = False
        """Nobody answers any more."""
        self._news = threading.Condition()
        self._stopped = threading.Event()
        self._port = port
        self._path = path
        self._thread = threading.Thread(target=self._ask)

    @property
    def statuses(self) -> list[int]:
        """The HTTP status of every answer, in order."""
        return [answer.status for answer in self.answers]

    def answered(self, status: int) -> bool:
        """Wait for an answer with this status."""
        with self._news:
            return self._news.wait_for(lambda: self.over or status in self.statuses, WITHIN) and not self.over

    def ended(self) -> bool:
        """Wait until nobody answers any more."""
        with self._news:
            return self._news.wait_for(lambda: self.over, WITHIN)

    def first(self, status: int) -> Answer:
        """Find the first answer with this status."""
        return next(answer for answer in self.answers if answer.status == status)

    def _ask(self) -> None:
        while not self._stopped.wait(_BREATH):
            try:
                answer = ask(self._port, self._path)
            except (OSError, http.client.HTTPException):
                # Before the first answer nobody listens yet; after it, nobody any more.
                if not self.answers:
                    continue
                break
            with self._news:
                self.answers.append(answer)
                self._news.notify_all()
        with self._news:
            self.over = True
            self._news.notify_all()


@contextmanager
def watching(port: int, path: str = "/health/ready") -> Iterator[Watch]:
    """Ask without pause until the block is left or nobody answers any more."""
    watch = Watch(port, path)
    watch._thread.start()
    try:
        yield watch
    finally:
        watch._stopped.set()
        watch._thread.join(WITHIN)
