"""A small gateway to be probed: any GET is answered 200, and ``/mcp`` speaks MCP with sessions. Run as a script."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_RESULTS: dict[str, dict[str, Any]] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "bench", "version": "1"},
    },
    "tools/list": {
        "tools": [
            {
                "name": "search",
                "description": "Search the web and return the results as text.",
                "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
            }
        ]
    },
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a client that goes without a word is killed by the measurement."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one piece, as from servers that are in use

    def do_GET(self) -> None:
        self._answer(200, b'{"status":"ok"}')

    def do_DELETE(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            self._answer(202)
        elif message["method"] in _RESULTS:
            reply = {"jsonrpc": "2.0", "id": message["id"], "result": _RESULTS[message["method"]]}
            self._answer(200, json.dumps(reply).encode())
        else:
            error = {"code": -32601, "message": "no such method"}
            self._answer(400, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode())

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Mcp-Session-Id", "bench")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = _Server(("127.0.0.1", int(sys.argv[1])), _Handler)
    print("listening", flush=True)
    server.serve_forever()
