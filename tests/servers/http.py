"""A real HTTP server on raw sockets that says exactly what a test scripts, a client to ask it, and certificates."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
import trustme

from sidecar.contract import ProbeFailure, Run
from sidecar.exchange import Reply, exchange, parse_url

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection, as the server's script sees it."""

    def __init__(self, server: "HttpServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = len(server.peers) + 1
        self.requests: list[bytes] = []
        self.hung_up = asyncio.Event()
        """The client has closed or reset the connection."""
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read one request, head and body; empty when the client has hung up."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            request = head + await self._reader.readexactly(int(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
            return b""
        self.requests.append(request)
        self._server.requests.append(request)
        return request

    async def hear(self) -> bytes:
        """Wait for the next bytes, whatever they are; empty when the client has hung up."""
        return await self._reader.read(65536)

    async def say(self, *pieces: bytes) -> None:
        """Send pieces, each in a write of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def secure(self, context: ssl.SSLContext) -> None:
        """Begin TLS, as the server."""
        await self._writer.start_tls(context)

    async def until_hung_up(self) -> None:
        """Keep the connection open until the client leaves."""
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass
        self.hung_up.set()

    def reset(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()


class HttpServer:
    """A server on loopback, its port, and what it has received."""

    def __init__(self, script: Script, *, secure: bool) -> None:
        self.requests: list[bytes] = []
        self.peers: list[Peer] = []
        self.port = 0
        self._script = script
        self._scheme = "https" if secure else "http"
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, target: str = "/", host: str = "127.0.0.1") -> str:
        """Where the server is."""
        return f"{self._scheme}://{host}:{self.port}{target}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the script to one connection, then close it."""
        peer = Peer(self, reader, writer)
        self.peers.append(peer)
        try:
            await self._script(peer)
        except ConnectionError:
            peer.hung_up.set()
        finally:
            writer.close()

    def start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.create_task(self.handle(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End every script."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def answer(*pieces: bytes) -> Script:
    """Read one request, send these pieces, and close."""

    async def script(peer: Peer) -> None:
        if await peer.request():
            await peer.say(*pieces)

    return script


def endless(begin: bytes, more: bytes) -> Script:
    """Read one request, send the begin of an answer, and then more of it for ever."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(begin)
        while True:
            await peer.say(more)

    return script


def whole(status: int = 200, body: bytes = b"", *fields: bytes) -> bytes:
    """Write a complete reply with a length."""
    head = [b"HTTP/1.1 %d Reason" % status, *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


OK = whole(200, b"ok", b"Connection: close")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def wait_for_hang_up(peer: Peer) -> None:
    """Keep silent until the client leaves."""
    await peer.until_hung_up()


async def ask(url: str, method: str = "GET", run: Run | None = None, **options) -> Reply:
    """Make one exchange, which must end long before the test would be given up."""
    with anyio.fail_after(10):
        return await exchange(method, parse_url(url), run or Run(), **options)


async def ask_in_vain(url: str, **options) -> ProbeFailure:
    """Make one exchange that must fail."""
    with pytest.raises(ProbeFailure) as raised:
        await ask(url, **options)
    return raised.value


@asynccontextmanager
async def serving(
    script: Script, *, host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[HttpServer]:
    """Run a scripted server."""
    server = HttpServer(script, secure=context is not None)
    listener = await asyncio.start_server(server.start, host, port, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[HttpServer]]]:
    """Start scripted servers as the test asks for them."""
    async with AsyncExitStack() as stack:

        async def start(script: Script, **options: object) -> HttpServer:
            return await stack.enter_async_context(serving(script, **options))

        yield start


class Certificates:
    """An authority of the test's own, and servers' contexts with its certificates."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)

    def good(self) -> ssl.SSLContext:
        """For localhost and the loopback addresses."""
        return self._context(self._authority.issue_cert("localhost", "127.0.0.1", "::1"))

    def of(self, name: str) -> ssl.SSLContext:
        """Make a good one for this name."""
        return self._context(self._authority.issue_cert(name))

    def expiring(self, end: dt.datetime) -> ssl.SSLContext:
        """Make a good one that is valid until then."""
        return self._context(self._authority.issue_cert("localhost", "127.0.0.1", not_after=end))

    def expired(self) -> ssl.SSLContext:
        """Make one that was valid until a long time ago."""
        return self.expiring(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))

    def of_another_name(self) -> ssl.SSLContext:
        """For a name that no test uses."""
        return self._context(self._authority.issue_cert("elsewhere.test"))

    def of_another_authority(self) -> ssl.SSLContext:
        """Signed by somebody the client does not know."""
        return self._context(trustme.CA().issue_cert("localhost", "127.0.0.1"))

    def that_asks_for_a_certificate(self) -> ssl.SSLContext:
        """Good, and wants one of the client as well."""
        context = self.good()
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority.configure_trust(context)
        return context

    def client_files(self, directory: Path) -> tuple[Path, Path]:
        """Write a client's certificate and key."""
        certificate = self._authority.issue_cert("client@localhost")
        cert_file, key_file = directory / "client.pem", directory / "client.key"
        certificate.cert_chain_pems[0].write_to_path(cert_file)
        certificate.private_key_pem.write_to_path(key_file)
        return cert_file, key_file

    @staticmethod
    def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificates]:
    """Certificates, good and bad."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
