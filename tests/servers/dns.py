"""A real DNS server on loopback, over UDP and TCP on one port; its messages are written by dnspython."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

Reply = Callable[[dns.message.Message], list[bytes]]
"""Called with each question; gives the datagrams to send."""

ZONE = {
    ("app.test.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("app.test.", "AAAA"): ["2001:db8::1"],
    ("www.test.", "CNAME"): ["app.test."],
    ("www.test.", "A"): ["192.0.2.1"],
    ("app.test.", "TXT"): ['"v=spf1 " "-all"'],
    ("large.test.", "TXT"): [f'"{number:03} {"x" * 100}"' for number in range(90)],
}


class DnsServer(asyncio.DatagramProtocol):
    """Answers from ``ZONE``, or as a test says."""

    def __init__(self, reply: Reply, stream: bytes | None) -> None:
        self.port = 0
        self.asked: list[str] = []
        """How each question came: ``udp`` or ``tcp``."""
        self._reply = reply
        self._stream = stream

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        """Keep the socket, to answer by it."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        """Answer a question."""
        self.asked.append("udp")
        for message in self._reply(dns.message.from_wire(data)):
            self._transport.sendto(message, addr)

    async def serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question on a connection, in two pieces."""
        size = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append("tcp")
        message = answer(dns.message.from_wire(await reader.readexactly(size))).to_wire()
        whole = self._stream or len(message).to_bytes(2, "big") + message
        for piece in (whole[:1], whole[1:300], whole[300:]):
            writer.write(piece)
            await writer.drain()
        writer.close()


def answer(question: dns.message.Message) -> dns.message.Message:
    """Answer from the zone."""
    asked = question.question[0]
    name, kind = str(asked.name).lower(), dns.rdatatype.to_text(asked.rdtype)
    reply = dns.message.make_response(question, recursion_available=True)
    alias = ZONE.get((name, "CNAME"), []) if kind != "CNAME" else []
    for type_, values in (("CNAME", alias), (kind, ZONE.get((name, kind), []))):
        if values:
            reply.answer.append(dns.rrset.from_text_list(asked.name, 60, "IN", type_, values))
    if not any(known == name for known, _ in ZONE):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply


def by_datagram(question: dns.message.Message) -> list[bytes]:
    """Answer as a server does: what does not fit into 512 bytes is cut off, and says so."""
    reply = answer(question)
    wire = reply.to_wire()
    if len(wire) > 512:
        reply.flags |= dns.flags.TC
        reply.answer.clear()
        wire = reply.to_wire()
    return [wire]


@asynccontextmanager
async def serving_dns(reply: Reply = by_datagram, stream: bytes | None = None) -> AsyncIterator[DnsServer]:
    """Run a server; ``stream`` is what it says over TCP instead of the answer."""
    server = DnsServer(reply, stream)
    async with await asyncio.start_server(server.serve_stream, "127.0.0.1", 0) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: server, local_addr=("127.0.0.1", server.port), family=socket.AF_INET
        )
        try:
            yield server
        finally:
            transport.close()


@pytest.fixture
async def serve_dns() -> AsyncIterator[Callable]:
    """Start DNS servers as the test asks for them."""
    async with AsyncExitStack() as stack:

        async def start(*script: Reply, stream: bytes | None = None) -> DnsServer:
            return await stack.enter_async_context(serving_dns(*script, stream=stream))

        yield start
