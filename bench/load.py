"""A load on a port that answers, bounded in time and number. Run as a script, so that its own work is nobody else's.

Each connection asks again as soon as it has its answer. A server that closes after its answer is connected to anew.
The arguments are port, path, connections, seconds, and the most requests. It says "ready" when it is connected, begins
when a line comes in, and ends with a line of JSON.
"""

import json
import select
import socket
import sys
import time

_LENGTH = b"content-length: "


class Asker:
    """One connection, kept alive if the server likes, with at most one question open."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        # As a platform or a load balancer asks: by a name that is not loopback's.
        self._request = f"GET {path} HTTP/1.1\r\nHost: health.example\r\nUser-Agent: bench\r\n\r\n".encode()
        self._answer = b""
        self._asked = 0.0
        self.fresh = True
        """The last question was asked over a connection of its own."""
        self._connect()

    def _connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._closed = False

    def ask(self) -> None:
        """Send the question, over another connection if the last one is closed."""
        self._answer = b""
        self._asked = time.monotonic()
        self.fresh = self._closed
        if self._closed:
            self._connect()
        self.socket.sendall(self._request)

    def take(self) -> float | None:
        """Take what has come; returns how long the answer took, in seconds, once it is whole."""
        part = self.socket.recv(65536)
        self._answer += part
        if not self._answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")):
            raise SystemExit(f"expected 200, found {self._answer[:80]!r}")
        head, end, body = self._answer.partition(b"\r\n\r\n")
        head = head.lower()
        closing = head.startswith(b"http/1.0") or b"\nconnection: close" in head
        if closing and not part:
            self.socket.close()
            self._closed = True
            return time.monotonic() - self._asked
        if not part:
            raise SystemExit("the connection was closed in the middle of an answer")
        if closing or not end or len(body) < int(head[head.index(_LENGTH) + len(_LENGTH) :].partition(b"\r\n")[0]):
            return None
        return time.monotonic() - self._asked


def main() -> None:
    """Ask as the arguments say."""
    port, path, connections, seconds, at_most = sys.argv[1:]
    askers = [Asker(int(port), path) for _ in range(int(connections))]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    latencies = ask(askers, began + float(seconds), int(at_most))
    took = time.monotonic() - began
    latencies.sort()
    print(
        json.dumps(
            {
                "answers": len(latencies),
                "seconds": took,
                "p50": latencies[len(latencies) // 2],
                "p99": latencies[len(latencies) * 99 // 100],
            }
        )
    )


def ask(askers: list[Asker], until: float, at_most: int) -> list[float]:
    """Ask until it is time, or until enough is answered; returns how long each answer took, in seconds."""
    by_descriptor = {asker.socket.fileno(): asker for asker in askers}
    poll = select.epoll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN)
    for asker in askers:
        asker.ask()
    latencies: list[float] = []
    while len(latencies) < at_most and time.monotonic() < until:
        for descriptor, _ in poll.poll(1.0):
            asker = by_descriptor[descriptor]
            latency = asker.take()
            if latency is None:
                continue
            latencies.append(latency)
            asker.ask()
            if asker.fresh:
                poll.register(asker.socket, select.EPOLLIN)  # the one that is closed has left by itself
                by_descriptor[asker.socket.fileno()] = asker
    return latencies


if __name__ == "__main__":
    main()
