"""The requests of one execution to one MCP server, over one connection."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import anyio

from probes.mcp.answer import Answer
from probes.mcp.era import (
    LEGACY_VERSION,
    MODERN_VERSION,
    Introduction,
    Opening,
    introduction,
    modern_params,
    opening_for,
)
from probes.mcp.wire import ReplyFinder, find_error, notification, request
from sidecar.contract import Evidence, Outcome, ProbeFailure
from sidecar.exchange import Connection, Reply

_BODIES_AT_MOST = 4 * 1024 * 1024
"""Bytes of all replies together: a gateway with hundreds of tools sends one or two megabytes."""
_BODY_AT_LEAST = 16 * 1024
_CLOSE_WITHIN = 1.0
"""Seconds. A session that is not ended in this time is left to the server."""

_REVISION = re.compile(r"\d{4}-\d{2}-\d{2}")
_SESSION = re.compile(r"[!-~]{1,1024}")
"""Visible ASCII, says the specification; the length is our bound."""

Headers = Iterable[tuple[str, str]]


class Conversation:
    """Begin with ``open``, then ``ask``, and ``close`` whatever happens."""

    def __init__(self, connection: Connection, headers: Headers, client: Mapping[str, str]) -> None:
        self.opening: Opening | None = None
        """How the conversation began, once it has."""
        self.version = MODERN_VERSION
        """The protocol revision that is spoken."""
        self._connection = connection
        self._headers = list(headers)
        self._client = client
        self._session: str | None = None
        self._last_id = 0
        self._room = _BODIES_AT_MOST

    async def open(self, protocol: str, known: Opening | None) -> Introduction:
        """Begin in the era that ``protocol`` names; if that is ``auto``, as ``known``, or as is found out.

        Raises ``ProbeFailure``.
        """
        if protocol == "legacy" or known is Opening.INITIALIZE:
            return await self._initialize()
        if known is Opening.DIRECT:
            self.opening = known
            return Introduction()
        answer = await self._ask_modern("server/discover", {})
        opening = opening_for(answer.reply.status, answer.message, answer.error)
        if opening is Opening.DIRECT:
            if (await self._ask_modern("tools/list", {})).is_result:
                self.opening = opening
                return Introduction()
            opening = Opening.INITIALIZE
        if opening is Opening.INITIALIZE and protocol == "auto":
            return await self._initialize()
        introduced = introduction(answer.result())
        if MODERN_VERSION not in introduced.supported_versions:
            rule, found = f"the server speaks revision {MODERN_VERSION}", ", ".join(introduced.supported_versions[:5])
            raise ProbeFailure(rule, found or "none", otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)
        self.opening = Opening.DISCOVER
        return introduced

    async def ask(self, method: str, params: Mapping[str, Any], modern_headers: Headers = ()) -> Answer:
        """Send a request as the era has it; ``modern_headers`` are for the modern one only."""
        if self.opening is Opening.INITIALIZE:
            return await self._ask(method, params, self._session_headers())
        return await self._ask_modern(method, params, modern_headers)

    async def close(self) -> str | None:
        """End the session, if there is one, even when the deadline has passed; says what went wrong."""
        if self._session is None:
            return None
        headers = self._session_headers()
        self._session = None
        with anyio.move_on_after(_CLOSE_WITHIN, shield=True):
            try:
                reply = await self._send("close", headers, method="DELETE")
            except ProbeFailure as failure:
                return str(failure)
            # 405: the server does not let clients end sessions. 404: it has ended this one by itself.
            return None if reply.status in (200, 202, 204, 404, 405) else f"status {reply.status}"
        return f"no reply within {_CLOSE_WITHIN:.0f} s"

    async def _initialize(self) -> Introduction:
        self.version = LEGACY_VERSION
        params = {"protocolVersion": LEGACY_VERSION, "capabilities": {}, "clientInfo": self._client}
        answer = await self._ask("initialize", params, ())
        # Kept in mind before anything can fail, so that it is ended in any case.
        session = answer.reply.headers.get("mcp-session-id")
        if session is not None and not _SESSION.fullmatch(session):
            raise ProbeFailure("initialize opens a session named in visible ASCII", session)
        self._session = session
        introduced = introduction(answer.result())
        if not _REVISION.fullmatch(introduced.protocol_version):
            raise ProbeFailure("initialize names a protocol revision", repr(introduced.protocol_version))
        self.version, self.opening = introduced.protocol_version, Opening.INITIALIZE
        await self._confirm()
        return introduced

    async def _confirm(self) -> None:
        headers = self._session_headers()
        reply = await self._send("initialized", headers, notification("notifications/initialized"))
        if not 200 <= reply.status < 300:
            in_session = self._session is not None
            raise Answer("notifications/initialized", reply, None, find_error(reply.body), in_session).refusal()

    async def _ask_modern(self, method: str, params: Mapping[str, Any], headers: Headers = ()) -> Answer:
        own = [("MCP-Protocol-Version", MODERN_VERSION), ("Mcp-Method", method), *headers]
        return await self._ask(method, modern_params(params, self._client), own)

    async def _ask(self, method: str, params: Mapping[str, Any], headers: Headers) -> Answer:
        self._last_id += 1
        finder = ReplyFinder(self._last_id)
        reply = await self._send(method, headers, request(self._last_id, method, params), until=finder)
        message = finder.close(reply.body)
        error = message.error if message else find_error(reply.body)
        return Answer(method, reply, message, error, self._session is not None)

    async def _send(
        self, phase: str, headers: Headers, body: bytes = b"", *, method: str = "POST", until: ReplyFinder | None = None
    ) -> Reply:
        reply = await self._connection.send(
            method,
            headers=[*self._headers, *headers],
            body=body,
            body_limit=max(self._room, _BODY_AT_LEAST),
            until=until,
            phase=phase,
        )
        self._room -= len(reply.body)
        return reply

    def _session_headers(self) -> list[tuple[str, str]]:
        headers = [("MCP-Protocol-Version", self.version)]
        return [*headers, ("Mcp-Session-Id", self._session)] if self._session else headers
