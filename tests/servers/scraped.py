"""Gateways that export metrics, each a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXPORTER = Path(__file__).with_name("exporter.py")


class Exporter:
    """A process that counts requests and serves what it has counted."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, again if it was stopped: on the same port, with every count at nothing."""
        # -P: the modules beside the script are not for it, and one of them is called http.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(EXPORTER), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.port = self._hear()
        except BaseException:
            self.stop()
            raise

    def serve(self, *requests: tuple[str, str, float, int]) -> None:
        """Let it have had requests: route, status, latency in seconds, how many."""
        self._process.stdin.write(json.dumps(requests) + "\n")
        self._process.stdin.flush()
        assert self._hear() == "done"

    def stop(self) -> None:
        """End it."""
        with self._process:
            self._process.kill()

    def _hear(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the exporter has ended without a word; its errors are above")
        return json.loads(line)


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """Run an exporter; it is killed at the end."""
    running = Exporter()
    try:
        yield running
    finally:
        running.stop()
