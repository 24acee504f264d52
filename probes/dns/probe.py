"""The looks: through the system's resolver, or straight at a server of one's own."""

import asyncio
import os
import socket
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta, Struct

from probes.dns import wire
from sidecar.contract import Evidence, Kind, Probe, ProbeFailure, Run, Setting
from sidecar.exchange.address import Address, literal_family, parse_place
from sidecar.exchange.stream import dial, failure
from sidecar.underway import OneAtATime
from sidecar.unreached import unresolved

_RESEND = 1.0
"""Seconds without an answer after which the question is asked again, for datagrams get lost."""

_FOREIGN_AT_MOST = 100
"""Datagrams that are no answer to the question; after them whoever sends them is no DNS server."""

_DATAGRAM = 4096
_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
_RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "dns"``. The system's resolver also knows ``/etc/hosts``, and may answer from memory."""

    name: Annotated[str, Meta(min_length=1)]
    """The name to look up. Ended with a dot, no search domain is added to it."""
    type: Literal["A", "AAAA", "CNAME", "TXT"] = "A"
    """The kind of record. The system's resolver is asked for addresses only."""
    server: str | None = None
    """The address of a DNS server to ask, such as ``"10.0.0.2"`` or ``"127.0.0.1:5353"``, not the system's resolver."""
    expect_any: tuple[str, ...] = ()
    """At least one of these is among the answers."""
    expect_all: tuple[str, ...] = ()
    """All of these are among the answers."""

    def __post_init__(self) -> None:
        wire.check_name(self.name)
        if self.server is not None:
            _place(self.server)
        elif self.type not in _FAMILIES:
            raise ValueError(f"{self.type} records are asked of a server: set server, or type to A or AAAA")
        for value in (*self.expect_any, *self.expect_all):
            if self.type in _FAMILIES and literal_family(value) != _FAMILIES[self.type]:
                raise ValueError(f"{value!r} is expected of {self.type} records: that is no such address")


class DnsProbe(Probe[Spec]):
    """Asks afresh each time. At most one lookup of the system's resolver is under way, however long it hangs."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._server = None if spec.server is None else _place(spec.server)
        self._lookup: OneAtATime[tuple[str, ...]] = OneAtATime()

    async def observe(self, run: Run) -> None:
        """Look up, and hold the answers against what is expected."""
        # Sorted, because servers rotate their answers, and a reason should change only when something has changed.
        values = sorted(await (self._resolve(run) if self._server is None else self._ask(self._server, run)))
        run.note("answers", ", ".join(values))
        spec, rule = self.spec, f"{self.spec.name} has {self.spec.type} records"
        if not values:
            raise ProbeFailure(rule, "none, set `name` or `type`", evidence=Evidence.MISCONFIGURED)
        found = {_comparable(value, spec.type) for value in values}
        shown = ", ".join(values)
        if spec.expect_all:
            wanted = {_comparable(value, spec.type) for value in spec.expect_all}
            run.expect(f"{spec.name} has all of {', '.join(spec.expect_all)}", shown, wanted <= found)
        if spec.expect_any:
            wanted = {_comparable(value, spec.type) for value in spec.expect_any}
            run.expect(f"{spec.name} has one of {', '.join(spec.expect_any)}", shown, not wanted.isdisjoint(found))
        if not spec.expect_all and not spec.expect_any:
            run.expect(rule, shown, holds=True)

    async def aclose(self) -> None:
        """Wait no longer for a lookup that hangs."""
        self._lookup.abandon()

    async def _resolve(self, run: Run) -> tuple[str, ...]:
        """Ask the system. A lookup cannot be cancelled: one that hangs is waited for again, not doubled."""
        try:
            values = await self._lookup.result(partial(_look_up, self.spec.name, _FAMILIES[self.spec.type]))
        except socket.gaierror as error:
            raise explain(error, f"{self.spec.name} is resolved") from None
        run.phase("dns")
        return values

    async def _ask(self, server: Address, run: Run) -> tuple[str, ...]:
        """Ask the server by UDP, and by TCP what does not fit."""
        question = wire.write_question(int.from_bytes(os.urandom(2), "big"), self.spec.name, self.spec.type)
        try:
            answer = await _ask_by_udp(server, question)
            run.phase("udp")
            if answer.truncated:
                answer = await _ask_by_tcp(server, question, run)
                run.phase("tcp")
        except OSError as error:
            raise failure(error, f"{server.where} replies") from None
        except ValueError as error:
            raise ProbeFailure(f"{server.where} answers in the form of DNS", error) from None
        if answer.rcode != wire.NO_ERROR:
            told = _RCODES.get(answer.rcode, f"error {answer.rcode}")
            evidence = Evidence.MISCONFIGURED if told in ("NXDOMAIN", "REFUSED") else Evidence.WRONG
            raise ProbeFailure(f"{self.spec.name} is resolved by {server.where}", told, evidence=evidence)
        if answer.ttl is not None:
            run.note("ttl_seconds", answer.ttl)
        return answer.values


def explain(error: socket.gaierror, rule: str) -> ProbeFailure:
    """Explain the resolver's error: that it gets no answer is what this kind is there to see."""
    if error.errno == socket.EAI_AGAIN:
        return ProbeFailure(rule, "no answer from the system's DNS servers", evidence=Evidence.SILENT)
    return unresolved(error, rule)


async def _look_up(name: str, family: int) -> tuple[str, ...]:
    # As bytes: a str would pass through the IDNA codec and load its tables.
    found = await asyncio.get_running_loop().getaddrinfo(name.encode(), None, family=family, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(place[0]) for *_, place in found))


async def _ask_by_udp(server: Address, question: bytes) -> wire.Answer:
    loop = asyncio.get_running_loop()
    with socket.socket(literal_family(server.host) or 0, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        sock.connect((server.host, server.port))  # so that the kernel takes datagrams from nobody else
        while True:
            await loop.sock_sendall(sock, question)
            try:
                async with asyncio.timeout(_RESEND):
                    return await _hear(sock, question)
            except TimeoutError:
                continue


async def _hear(sock: socket.socket, question: bytes) -> wire.Answer:
    """Wait for the answer, passing over what is none."""
    for _ in range(_FOREIGN_AT_MOST):
        message = await asyncio.get_running_loop().sock_recv(sock, _DATAGRAM)
        answer = wire.read_answer(message, question)
        if answer is not None:
            return answer
    raise ValueError(f"{_FOREIGN_AT_MOST} datagrams that do not answer the question")


async def _ask_by_tcp(server: Address, question: bytes, run: Run) -> wire.Answer:
    """Ask over a connection, where messages are preceded by their length (RFC 1035, 4.2.2)."""
    stream = await dial(server, run)
    try:
        await stream.send(len(question).to_bytes(2, "big") + question)
        message = b""
        while len(message) < 2 or len(message) < 2 + int.from_bytes(message[:2], "big"):
            piece = await stream.receive()
            if not piece:
                raise ValueError("the connection was closed within the answer")
            message += piece
    finally:
        stream.close()
    answer = wire.read_answer(message[2 : 2 + int.from_bytes(message[:2], "big")], question)
    if answer is None or answer.truncated:
        raise ValueError("a message over TCP that does not answer the question")
    return answer


def _place(server: str) -> Address:
    address = parse_place(f"[{server}]" if literal_family(server) == socket.AF_INET6 else server, 53)
    if literal_family(address.host) is None:
        raise ValueError(f"server is {server!r}: expected an address, not a name, for who would look that up")
    return address


def _comparable(value: str, kind: str) -> str:
    """Write equal values in the same way: addresses in their shortest form, names in small letters."""
    if kind in _FAMILIES:
        return socket.inet_ntop(_FAMILIES[kind], socket.inet_pton(_FAMILIES[kind], value))
    return value.removesuffix(".").lower() if kind == "CNAME" else value


KIND = Kind("dns", Spec, DnsProbe)
