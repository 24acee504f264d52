"""A load on the health port, bounded in time and number. Run as a script, so that its own work is nobody else's.

Each connection asks again as soon as it has its answer. The arguments are port, path, connections, seconds, and the
most requests. It says "ready" when it is connected, begins when a line comes in, and ends with a line of JSON.
"""

import json
import select
import socket
import sys
import time

_LENGTH = b"Content-Length: "


class Asker:
    """One connection that is kept alive, with at most one question open."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # As a platform or a load balancer asks: by a name that is not loopback's.
        self._request = f"GET {path} HTTP/1.1\r\nHost: health.example\r\nUser-Agent: bench\r\n\r\n".encode()
        self._answer = b""
        self._asked = 0.0

    def ask(self) -> None:
        """Send the question."""
        self._answer = b""
        self._asked = time.monotonic()
        self.socket.sendall(self._request)

    def take(self) -> float | None:
        """Take what has come; returns how long the answer took, in seconds, once it is whole."""
        part = self.socket.recv(65536)
        self._answer += part
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not part or not self._answer.startswith(b"HTTP/1.1 200 "[: len(self._answer)]):
            raise SystemExit(f"expected 200, found {self._answer[:80]!r}")
        if not end or len(body) < int(head[head.index(_LENGTH) + len(_LENGTH) :].partition(b"\r\n")[0]):
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
            if latency is not None:
                latencies.append(latency)
                asker.ask()
    return latencies


if __name__ == "__main__":
    main()
