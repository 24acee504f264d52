"""A gateway that behaves as it is told. Run as a script by ``servers.deployment``.

It answers ``GET /`` in its present manner. ``POST /-/become/MANNER[/ARGUMENT]`` changes the manner; ``GET /hold`` sends
half a reply, and the other half at ``POST /-/release``. What happens to it, ``/hook`` being asked included, it says on
its output in lines of JSON, with the time of CLOCK_MONOTONIC, which all processes share. On SIGTERM it exits at once,
and so cuts what is in flight; on SIGINT as well.
"""

import argparse
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

Manner = Callable[[socket.socket, str], None]

_EXHAUSTING = 64 * 1024 * 1024
"""Bytes: more than anybody should take, and yet an end for a test that has gone wrong."""


def _status(peer: socket.socket, code: str) -> None:
    body = b"the sham gateway answers %s" % code.encode()
    peer.sendall(b"HTTP/1.1 %s Sham\r\nContent-Length: %d\r\n\r\n" % (code.encode(), len(body)) + body)


def _slow(peer: socket.socket, seconds: str) -> None:
    time.sleep(float(seconds))
    _status(peer, "200")


def _silent(peer: socket.socket, _: str) -> None:
    while peer.recv(65536):
        pass


def _hang_up(peer: socket.socket, _: str) -> None:
    peer.close()


def _garbage(peer: socket.socket, _: str) -> None:
    peer.sendall(bytes(range(256)) * 64)


def _endless_head(peer: socket.socket, _: str) -> None:
    _without_end(peer, b"HTTP/1.1 200 OK\r\n", b"X-Further: " + b"x" * 1000 + b"\r\n")


def _endless_body(peer: socket.socket, _: str) -> None:
    _without_end(peer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n")


def _redirects(peer: socket.socket, _: str) -> None:
    peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")


def _without_end(peer: socket.socket, begin: bytes, piece: bytes) -> None:
    peer.sendall(begin)
    for _ in range(_EXHAUSTING // (64 * len(piece))):
        peer.sendall(piece * 64)


MANNERS: dict[str, Manner] = {
    "status": _status,
    "slow": _slow,
    "silent": _silent,
    "hang_up": _hang_up,
    "garbage": _garbage,
    "endless_head": _endless_head,
    "endless_body": _endless_body,
    "redirects": _redirects,
}


class Sham:
    """The gateway's present manner, and the replies that it holds back."""

    def __init__(self, *, stubborn: bool, status: int) -> None:
        self._stubborn = stubborn
        self._status = status
        self._manner: Manner = _status
        self._argument = "200"
        self._released = threading.Event()

    def serve(self, listener: socket.socket) -> None:
        """Answer each connection in a thread of its own."""
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=self._answer, args=[peer], daemon=True).start()

    def terminate(self, number: int, _: object) -> None:
        """Tell of the signal, and obey it unless stubborn."""
        _say("terminated" if number == signal.SIGTERM else "interrupted")
        if not self._stubborn:
            os._exit(self._status)

    def _answer(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                received = peer.recv(65536)
                if not received:
                    return
                head += received
            method, path = head.decode("latin-1").split(" ", 2)[:2]
            if path.startswith("/-/"):
                self._obey(path.split("/")[2:])
                _status(peer, "200")
            elif path == "/hook":
                _say("asked", method=method)
                self._manner(peer, self._argument)
            elif path == "/hold":
                self._hold(peer)
            else:
                self._manner(peer, self._argument)

    def become(self, manner: str, argument: str = "") -> None:
        """Answer in this manner from now on."""
        self._manner, self._argument = MANNERS[manner], argument

    def _obey(self, order: list[str]) -> None:
        match order:
            case ["become", manner, *argument]:
                self.become(manner, "".join(argument))
            case ["release"]:
                self._released.set()

    def _hold(self, peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        _say("holding")
        self._released.wait()
        peer.sendall(b" last")


def _say(event: str, **more: str) -> None:
    line = json.dumps({"event": event, "at": time.monotonic(), "pid": os.getpid(), **more}) + "\n"
    os.write(1, line.encode())


def main() -> None:
    """Listen as the arguments say."""
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
    options.add_argument("--status", type=int, default=0, help="the exit status after SIGTERM")
    options.add_argument("--become", default="status/200", help="the manner in which it answers from the first")
    chosen = options.parse_args()
    sham = Sham(stubborn=chosen.stubborn, status=chosen.status)
    sham.become(*chosen.become.split("/"))
    signal.signal(signal.SIGTERM, sham.terminate)
    signal.signal(signal.SIGINT, sham.terminate)
    listener = socket.create_server(("127.0.0.1", chosen.port), backlog=128)
    _say("listening")
    sham.serve(listener)


if __name__ == "__main__":
    main()
