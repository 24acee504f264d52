"""A small MCP client of the legacy era, to keep a call in flight."""

import http.client
import json
import threading
from typing import Any

WITHIN = 30.0
"""Seconds; only so that a call that hangs becomes a failing test."""

_ACCEPT = "application/json, text/event-stream"
_INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


class Call(threading.Thread):
    """A ``tools/call`` under way. It is over when its thread is."""

    def __init__(self, port: int, tool: str) -> None:
        super().__init__()
        self.result: dict[str, Any] = {}
        self._port = port
        self._tool = tool
        self.start()

    def run(self) -> None:
        """Open a session and call the tool."""
        headers = {"Content-Type": "application/json", "Accept": _ACCEPT}
        session, _ = self._post({"id": 1, "method": "initialize", "params": _INITIALIZE}, headers)
        headers |= {"Mcp-Session-Id": session or "", "MCP-Protocol-Version": "2025-06-18"}
        self._post({"method": "notifications/initialized"}, headers)
        _, reply = self._post(
            {"id": 2, "method": "tools/call", "params": {"name": self._tool, "arguments": {}}}, headers
        )
        self.result = _message(reply)["result"]

    def _post(self, message: dict[str, Any], headers: dict[str, str]) -> tuple[str | None, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WITHIN)
        try:
            connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", **message}), headers)
            response = connection.getresponse()
            return response.headers["Mcp-Session-Id"], response.read().decode()
        finally:
            connection.close()


def _message(reply: str) -> dict[str, Any]:
    """Take the message from a reply, which may be a stream of events."""
    data = [line.removeprefix("data:").strip() for line in reply.splitlines() if line.startswith("data:")]
    message: dict[str, Any] = json.loads(next(filter(None, data), reply))
    return message
