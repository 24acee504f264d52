"""The two eras of MCP, and which of them a server lives in.

Modern (revision 2026-07-28 and later): every request stands alone and carries version, client and capabilities.
Legacy (2025-11-25 and earlier): ``initialize`` opens a session that later requests name. Pure.
Source: MCP specification 2026-07-28, "Versioning and Compatibility", and "Streamable HTTP", backward compatibility.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

from probes.mcp.wire import Message, RpcError

MODERN_VERSION = "2026-07-28"
LEGACY_VERSION = "2025-11-25"

METHOD_NOT_FOUND = -32601
UNSUPPORTED_VERSION = -32022
_MODERN_ERRORS = frozenset({-32020, -32021, UNSUPPORTED_VERSION})


class Opening(StrEnum):
    """How a conversation with a server begins. The value is for people."""

    DISCOVER = "modern"
    """With ``server/discover``."""
    DIRECT = "modern, without server/discover"
    """With the first real request: some bridges do not know ``server/discover`` and yet serve modern requests."""
    INITIALIZE = "legacy"
    """With ``initialize``."""


class Introduction(Struct, frozen=True, rename="camel"):
    """What a server says about itself in reply to ``server/discover`` or ``initialize``."""

    supported_versions: list[str] = []
    protocol_version: str = ""
    capabilities: Any = None
    server_info: Any = None
    meta: Any = msgspec.field(name="_meta", default=None)

    def server(self) -> tuple[str, str]:
        """Tell name and version of the server, as far as it does; modern servers do so in ``_meta``."""
        info = self.server_info or _get(self.meta, "io.modelcontextprotocol/serverInfo")
        return str(_get(info, "name") or ""), str(_get(info, "version") or "")

    def has_tools(self) -> bool:
        """Tell whether the server declares to have tools."""
        return _get(self.capabilities, "tools") is not None


def opening_for(status: int, reply: Message | None, error: RpcError | None) -> Opening | None:
    """Judge the reply to a modern ``server/discover``; None when it says nothing about the era.

    ``reply`` is the reply to the request, ``error`` any JSON-RPC error that the body holds. 401, 429 and 5xx say
    nothing about the era; what is not recognisably modern is legacy.
    """
    if status in (401, 429) or status >= 500:
        return None
    if status == 400 and error and error.code in _MODERN_ERRORS:
        supported = supported_versions(error)
        return Opening.INITIALIZE if supported and _only_legacy(supported) else Opening.DISCOVER
    if status == 404 and error and error.code == METHOD_NOT_FOUND:
        return Opening.DIRECT
    if status == 200 and reply and reply.result:
        return Opening.INITIALIZE if _only_legacy(introduction(reply.result).supported_versions) else Opening.DISCOVER
    return Opening.INITIALIZE


def introduction(result: Raw) -> Introduction:
    """Read a result as far as it is what it should be; an empty introduction when it is not."""
    try:
        return msgspec.json.decode(result, type=Introduction)
    except (msgspec.DecodeError, RecursionError):
        return Introduction()


def supported_versions(error: RpcError) -> list[str]:
    """Name the revisions that an UnsupportedProtocolVersionError offers."""
    supported = _get(error.data, "supported")
    return [version for version in supported if isinstance(version, str)] if isinstance(supported, list) else []


def modern_params(params: Mapping[str, Any], client: Mapping[str, str]) -> dict[str, Any]:
    """Add what every modern request carries. The probe declares no capability: it serves no server's requests."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": client,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {**params, "_meta": meta}


def _only_legacy(versions: list[str]) -> bool:
    """Revisions are dates, so they compare as text."""
    return all(version < MODERN_VERSION for version in versions)


def _get(table: object, key: str) -> Any:
    return table.get(key) if isinstance(table, dict) else None
