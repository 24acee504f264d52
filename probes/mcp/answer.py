"""What a server answered to one request, and how a refusal reads to people. Pure."""

import re

from msgspec import Raw, Struct

from probes.mcp.era import METHOD_NOT_FOUND, UNSUPPORTED_VERSION, supported_versions
from probes.mcp.wire import Message, RpcError
from sidecar.contract import Evidence, Outcome, ProbeFailure
from sidecar.exchange import Reply

_PREVIEW = 80

_INTRODUCTIONS = ("initialize", "server/discover")
"""No server has a reason to answer these at length."""

_MISCONFIGURED = {
    401: "the credentials are missing or refused: set 'headers'",
    403: "the credentials, or this address, are not allowed in: check 'headers'",
    404: "nothing is there: check the path in 'url'",
    405: "no MCP endpoint is there: check the path in 'url'",
    406: "the endpoint speaks something other than MCP's Streamable HTTP: check the path in 'url'",
    415: "the endpoint takes no JSON: check the path in 'url'",
}


class Answer(Struct, frozen=True):
    """The answer to one request."""

    method: str
    reply: Reply
    message: Message | None
    """The JSON-RPC reply to the request, or an error without id."""
    error: RpcError | None
    """Any JSON-RPC error that the body holds."""
    in_session: bool
    """The request named a session that the server had opened."""

    @property
    def rule(self) -> str:
        """The rule that the answer is held against."""
        return f"{self.method} is answered"

    @property
    def is_result(self) -> bool:
        """The request was granted."""
        return self.reply.status == 200 and self.message is not None and not self.message.error

    def result(self) -> Raw:
        """Give the result. Raises ``ProbeFailure`` when there is none."""
        if self.message is None or not self.is_result:
            raise self.refusal()
        return self.message.result

    def refusal(self) -> ProbeFailure:
        """Say why there is no result."""
        status = self.reply.status
        if status == 429:
            return ProbeFailure(self.rule, f"429, too many requests{self._detail()}", otherwise=Outcome.WARN)
        if hint := self._hint():
            return ProbeFailure(self.rule, f"{status}, {hint}{self._detail()}", evidence=Evidence.MISCONFIGURED)
        if self.error:
            return self._error(self.error)
        if self.reply.truncated:
            text = f"more than {len(self.reply.body) >> 10} KiB"
            if self.method in _INTRODUCTIONS:
                return ProbeFailure(self.rule, text)
            # A list of tools may be long. The bound is ours, so it is not the server that failed.
            return ProbeFailure(self.rule, text, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)
        lost = status == 404 and self.in_session
        meaning = "the session that initialize opened is not known" if lost else "without a reply to the request"
        return ProbeFailure(self.rule, f"{status}{self._preview()}, {meaning}")

    def _hint(self) -> str | None:
        """Name what to correct in the probe's settings, if the status speaks of them."""
        status = self.reply.status
        if 300 <= status < 400:
            # A credential may stand in the query, or before an @.
            where = re.sub(r"//[^/]*@", "//", self.reply.headers.get("location", "").partition("?")[0])
            return f"a redirect to {where!r}: correct 'url'"
        speaks_of_path = not self.in_session and not (self.error and self.error.code == METHOD_NOT_FOUND)
        return _MISCONFIGURED.get(status) if speaks_of_path or status != 404 else None

    def _error(self, error: RpcError) -> ProbeFailure:
        observed = f"{self.reply.status} with JSON-RPC error {error.code}: {error.message}"
        if error.code != UNSUPPORTED_VERSION:
            return ProbeFailure(self.rule, observed)
        spoken = ", ".join(supported_versions(error)[:5]) or "others, which it does not name"
        observed = f"a server of other protocol revisions: {spoken}"
        return ProbeFailure(self.rule, observed, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)

    def _detail(self) -> str:
        return f" ({self.error.code}: {self.error.message})" if self.error else ""

    def _preview(self) -> str:
        kind = self.reply.headers.get("content-type", "no content type").partition(";")[0]
        text = self.reply.body[:_PREVIEW].decode("utf-8", "replace")
        return f" {kind} {text!r}" if text else " with an empty body"
