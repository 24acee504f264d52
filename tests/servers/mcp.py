"""MCP servers: real ones of both eras in processes of their own, and one whose every answer is scripted."""

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from servers.http import Peer, whole

MODERN_LIBRARY = "mcp==2.3.0"
"""It cannot share an environment with mcp-proxy, which needs an earlier one."""

LOGS_WITHIN = 60.0
"""Seconds; only so that a server that hangs becomes a failing test."""


class McpServer:
    """A server process, its port, and what it logs."""

    def __init__(self, log: Iterator[str]) -> None:
        self._log = log
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.port = 0

    def wait_until_up(self) -> None:
        """Wait for the port."""
        self.port = int(self.logged(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")[1])

    def logged(self, pattern: str) -> re.Match[str]:
        """Wait for a line in the log, from where the last search ended."""
        seen: list[str] = []
        while line := self._lines.get(timeout=LOGS_WITHIN):
            seen.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"the server ended without logging {pattern!r}:\n{''.join(seen)}")

    def close(self) -> None:
        """Let go of the log, once the process has ended."""
        self._reader.join()

    def _read(self) -> None:
        for line in self._log:
            self._lines.put(line)
        self._lines.put("")


@pytest.fixture(scope="session")
def legacy_server() -> Iterator[McpServer]:
    """Run a real gateway, mcp-proxy, in front of a real server."""
    with _running("-m", "mcp_proxy", "--port", "0", "--", sys.executable, "-P", "-m", "mcp_server_time") as server:
        yield server


@pytest.fixture(scope="session")
def modern_server() -> Iterator[McpServer]:
    """Run a real server of the modern era, which speaks the legacy one too; its tools: echo, fail, grow, shrink."""
    program = Path(__file__).with_name("mcp_modern.py")
    with _running(str(program), PYTHONPATH=str(_modern_library())) as server:
        yield server


@contextmanager
def _running(*arguments: str, **environment: str) -> Iterator[McpServer]:
    # -P: a file of this folder is called mcp.py, and must not stand in for the library.
    process = subprocess.Popen(
        [sys.executable, "-P", *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        server = McpServer(process.stdout)
        try:
            server.wait_until_up()
            yield server
        finally:
            process.terminate()
            process.wait()
            server.close()


def _modern_library() -> Path:
    """Install the library into a folder of its own, once for each user and version of Python."""
    version = ".".join(map(str, sys.version_info[:2]))
    cache = Path(tempfile.gettempdir(), f"mcp-gateway-sidecar-tests-{os.getuid()}")
    cache.mkdir(mode=0o700, exist_ok=True)
    if cache.lstat().st_uid != os.getuid() or cache.is_symlink():
        raise RuntimeError(f"cannot use {cache}: it belongs to somebody else")
    library = cache / f"{MODERN_LIBRARY}-python{version}"
    if not library.exists():
        incomplete = Path(tempfile.mkdtemp(dir=cache))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, "--target", str(incomplete), MODERN_LIBRARY], check=True, stderr=subprocess.DEVNULL)
        try:
            incomplete.rename(library)
        except OSError:
            # Another run was quicker.
            shutil.rmtree(incomplete)
    return library


class Call(NamedTuple):
    """A request as the fake received it."""

    method: str
    """The JSON-RPC method, or the HTTP one where there is no body."""
    headers: dict[str, str]
    message: dict[str, Any]

    @property
    def params(self) -> dict[str, Any]:
        """The parameters."""
        return self.message.get("params", {})


Answer = Callable[[Call], bytes | None]
"""Gives what is sent, or None for silence."""

TOOLS = [
    {"name": "alpha", "description": "the first", "inputSchema": {"type": "object"}},
    {"name": "beta", "description": "the second", "inputSchema": {"type": "object"}},
]


class FakeMcp:
    """A script for ``serve``: plays a server of one era, whose answers a test may replace by method."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.calls: list[Call] = []

    @property
    def methods(self) -> list[str]:
        """The methods that were called, in order."""
        return [call.method for call in self.calls]

    async def __call__(self, peer: Peer) -> None:
        """Answer one connection's requests."""
        while request := await peer.request():
            call = _parse(request)
            self.calls.append(call)
            sent = self.answers.get(call.method, unknown_method)(call)
            if sent is None:
                return await peer.until_hung_up()
            await peer.say(sent)
        return None


def legacy(changes: Mapping[str, Answer] = {}) -> FakeMcp:
    """Play a server of the legacy era."""
    usual: dict[str, Answer] = {
        "server/discover": lambda _: failed(-32600, "Bad Request: Missing session ID", status=400, id="server-error"),
        "initialize": lambda call: result(call, INITIALIZED, b"Mcp-Session-Id: s-1"),
        "notifications/initialized": lambda _: whole(202),
        "tools/list": lambda call: result(call, {"tools": TOOLS}),
        "tools/call": lambda call: result(call, {"content": [{"type": "text", "text": "done"}]}),
        "DELETE": lambda _: whole(200),
    }
    return FakeMcp(usual | dict(changes))


INITIALIZED = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "fake", "version": "1"},
}


def modern(changes: Mapping[str, Answer] = {}) -> FakeMcp:
    """Play a server of the modern era."""
    usual: dict[str, Answer] = {
        "server/discover": lambda call: result(call, DISCOVERED),
        "tools/list": lambda call: result(call, {"tools": TOOLS, "resultType": "complete"}),
        "tools/call": lambda call: result(call, {"content": [{"type": "text", "text": "done"}]}),
    }
    return FakeMcp(usual | dict(changes))


DISCOVERED = {
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "resultType": "complete",
    "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "fake", "version": "1"}},
}


def result(call: Call, value: object, *fields: bytes) -> bytes:
    """Grant the call, as JSON."""
    return document({"jsonrpc": "2.0", "id": call.message["id"], "result": value}, *fields)


def failed(code: int, message: str, *, status: int = 200, id: object = None, data: object = None) -> bytes:  # noqa: A002
    """Write a JSON-RPC error."""
    error = {"code": code, "message": message} | ({"data": data} if data else {})
    return document({"jsonrpc": "2.0", "id": id, "error": error}, status=status)


def unknown_method(call: Call) -> bytes:
    """Answer as the modern specification asks for."""
    return failed(-32601, "Method not found", status=404, id=call.message.get("id"))


def document(value: object, *fields: bytes, status: int = 200) -> bytes:
    """Write a JSON reply."""
    return whole(status, json.dumps(value).encode(), b"Content-Type: application/json", *fields)


def open_stream(*data: object) -> bytes:
    """Write a stream of events that is not ended, not even by its length."""
    events = b"".join(b"event: message\ndata: " + json.dumps(value).encode() + b"\n\n" for value in data)
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata:\n\n" + events


def _parse(request: bytes) -> Call:
    head, _, body = request.partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    message = json.loads(body) if body else {}
    return Call(message.get("method") or start.split()[0], headers, message)
