"""What is probed: an HTTP server as light as can be, so that it limits nobody. Run as a script with the port.

Any request is answered 200; ``/hang/...`` is never answered; ``/zone/get_active_zones`` is BrightData's list of zones.
``/-/arrivals`` gives, and forgets, when each path was asked for, by CLOCK_MONOTONIC, which all processes share.
"""

import json
import select
import socket
import sys
import time

_ZONES = b'[{"name": "unlocker1", "type": "unblocker"}]'


class Target:
    """Serves all its connections from one thread."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._poll = select.epoll()
        self._poll.register(listener, select.EPOLLIN)
        self._peers: dict[int, tuple[socket.socket, float]] = {}
        """By descriptor, with the time of the request: of the connection, for its first one."""
        self._arrivals: dict[str, list[float]] = {}

    def serve(self) -> None:
        """Serve until killed."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._answer(descriptor)

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers[peer.fileno()] = peer, time.monotonic()
        self._poll.register(peer, select.EPOLLIN)

    def _answer(self, descriptor: int) -> None:
        peer, at = self._peers[descriptor]
        try:
            request = peer.recv(65536)  # a request of the benchmark comes in one piece
            if request and self._say(peer, request, at):
                self._peers[descriptor] = peer, time.monotonic()
                return
        except OSError:
            pass  # a client that goes without a word was killed by the measurement
        del self._peers[descriptor]
        peer.close()

    def _say(self, peer: socket.socket, request: bytes, at: float) -> bool:
        """Answer; returns whether the connection stays."""
        path = request.split(b" ", 2)[1].decode()
        if path == "/-/arrivals":
            body = json.dumps(self._arrivals).encode()
            self._arrivals = {}
        else:
            self._arrivals.setdefault(path, []).append(at)
            body = _ZONES if path == "/zone/get_active_zones" else b"ok"
        if path.startswith("/hang/"):
            return True
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return b" HTTP/1.1" in request and b"onnection: close" not in request


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024) as server:
        print("listening", flush=True)
        Target(server).serve()
