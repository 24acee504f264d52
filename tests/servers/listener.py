"""A process that listens and accepts, as servers do it: alone, with forked workers, or beside others on one port.

Run as a script by ``servers.processes``. It prints one line of JSON when it listens, and obeys words on its input:
``quiet`` closes the listener, ``daemonise`` leaves a child behind and exits; each is answered when it is done.
"""

import argparse
import ctypes
import json
import os
import select
import socket
import sys

PR_SET_DUMPABLE = 4
PR_SET_PDEATHSIG = 1
SIGKILL = 9


def main() -> None:
    """Listen as the arguments say."""
    options = argparse.ArgumentParser()
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--workers", type=int, default=0)
    options.add_argument("--reuse-port", action="store_true")
    options.add_argument("--undumpable", action="store_true", help="hide from everybody but root")
    chosen = options.parse_args()
    if chosen.undumpable:
        _prctl(PR_SET_DUMPABLE, 0)
    listener = socket.create_server(
        (chosen.host, chosen.port),
        family=socket.AF_INET6 if ":" in chosen.host else socket.AF_INET,
        reuse_port=chosen.reuse_port,
        dualstack_ipv6=chosen.host == "::",
    )
    workers = []
    for _ in range(chosen.workers):
        worker = os.fork()
        if worker == 0:
            _prctl(PR_SET_PDEATHSIG, SIGKILL)
            _serve(listener, None)
        workers.append(worker)
    _say({"pid": os.getpid(), "workers": workers})
    _serve(listener, sys.stdin.fileno())


def _serve(listener: socket.socket, orders: int | None) -> None:
    held = []
    while True:
        listening = [listener] if listener.fileno() != -1 else []
        ordered = [orders] if orders is not None else []
        for ready in select.select([*listening, *ordered], [], [])[0]:
            if ready is listener:
                held.append(listener.accept())
            else:
                _obey(os.read(ready, 100).decode().strip(), listener)


def _obey(order: str, listener: socket.socket) -> None:
    if order == "quiet":
        listener.close()
        _say("quiet")
    elif order == "daemonise":
        child = os.fork()
        if child:
            _say({"pid": child})
            os._exit(0)
        sys.stdin.close()
        _serve(listener, None)
    elif order:
        _say(order)
    else:
        os._exit(0)  # the test is over


def _say(word: object) -> None:
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


if __name__ == "__main__":
    main()
