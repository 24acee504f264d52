"""TLS in front of a real server that has none: a terminator that passes the plain bytes on."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

StartTls = Callable[..., "TlsFront"]
"""Called with the server's port and the context of the certificate; for PostgreSQL with ``postgres=True``."""

_POSTGRES_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""SSLRequest (PostgreSQL documentation, 54.2.11): the client asks in plain, and begins TLS after an ``S``."""


class TlsFront:
    """Listens on a loopback port, in a thread with an event loop of its own."""

    def __init__(self, upstream: int, context: ssl.SSLContext, *, postgres: bool = False) -> None:
        self._upstream = upstream
        self._context = context
        self._postgres = postgres
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Cut every connection and end the thread."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _close(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has had enough, of the certificate perhaps; or the test is over
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._postgres:
            assert await reader.readexactly(8) == _POSTGRES_REQUEST
            writer.write(b"S")
        await writer.start_tls(self._context)
        inward, outward = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            done, rest = await asyncio.wait(
                [asyncio.create_task(_copy(reader, outward)), asyncio.create_task(_copy(inward, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in rest:
                task.cancel()
            await asyncio.gather(*done, *rest, return_exceptions=True)
        finally:
            outward.transport.abort()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


@pytest.fixture
def start_tls() -> Iterator[StartTls]:
    """Put TLS in front of servers."""
    started: list[TlsFront] = []

    def start(upstream: int, context: ssl.SSLContext, *, postgres: bool = False) -> TlsFront:
        started.append(TlsFront(upstream, context, postgres=postgres))
        return started[-1]

    yield start
    for front in started:
        front.stop()
