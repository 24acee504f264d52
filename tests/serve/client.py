"""A plain HTTP client for the tests: it says exactly what it is told, and reads what comes."""

import asyncio
import json
from contextlib import asynccontextmanager
from typing import NamedTuple

from serve.situations import ready

from sidecar.core.plan import ServerPlan
from sidecar.serve.listener import listen


class Reply(NamedTuple):
    """One response."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def json(self):
        """The body, as JSON."""
        return json.loads(self.body)


HANGS = 60.0
"""Seconds after which a test that waits for the server in vain fails, instead of waiting for ever."""


@asynccontextmanager
async def serving(scene=None, **settings):
    """Serve a situation (by default: ready) on a free port of IPv4 loopback."""
    plan = ServerPlan(**{"host": "127.0.0.1", **settings})
    async with listen(plan, (scene or ready()).board, port=0) as listening, asyncio.timeout(HANGS):
        yield listening.port


@asynccontextmanager
async def connected(port, host="127.0.0.1"):
    """Open one connection."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def read_reply(reader, *, head_only=False):
    """Read one response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *fields = head.rstrip("\r\n").split("\r\n")
    named = dict(field.split(": ", 1) for field in fields)
    body = b"" if head_only else await reader.readexactly(int(named["Content-Length"]))
    return Reply(int(line.split()[1]), named, body)


async def exchange(port, request, *, host="127.0.0.1"):
    """Say this on a new connection, and read all that comes until it is closed."""
    async with connected(port, host) as (reader, writer):
        writer.write(request)
        return await reader.read()


async def ask(port, path="/health/ready", *fields, host="127.0.0.1", name="localhost"):
    """Ask for a path on a new connection."""
    async with connected(port, host) as (reader, writer):
        writer.write(request(path, *fields, name=name))
        return await read_reply(reader)


def request(path="/health/ready", *fields, method="GET", version="1.1", name="localhost"):
    """Write a request."""
    lines = [f"{method} {path} HTTP/{version}", f"Host: {name}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
