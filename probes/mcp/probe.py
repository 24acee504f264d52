"""The probe: what it is told, what it remembers, and which rules it holds the server against."""

import re
from typing import Any, Literal

from msgspec import Struct, field

from probes.mcp.answer import Answer
from probes.mcp.conversation import Conversation
from probes.mcp.era import Introduction, Opening
from probes.mcp.tools import Tool, ToolList, call_headers, quoted, read_call, read_page
from sidecar.contract import (
    GatewayPlan,
    GatewayProcess,
    Kind,
    Outcome,
    Probe,
    ProbeFailure,
    Run,
    Secret,
    Setting,
    Target,
)
from sidecar.exchange import Tls, check_header, connect
from sidecar.exchange.target import address_of, target_of

_PAGES_AT_MOST = 20
_TEXT_SHOWN = 80
_TEXT_SEARCHED = 64 * 1024


class CallSpec(Struct, frozen=True, kw_only=True):
    """A tool to call in each execution. It should be cheap, and reach what matters behind the gateway."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    expect: str | None = None
    """A regular expression to be found in the first 64 KiB of the result's text."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.expect or "")
        except re.error as error:
            raise ValueError(f"expect is no regular expression: {error}") from None


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "mcp"``."""

    url: str = "/mcp"
    """A path on the gateway, or an absolute URL."""
    headers: dict[str, Secret] = field(default_factory=dict)
    """Further request headers, such as ``Authorization``."""
    tools: tuple[str, ...] = ()
    """Tools that must be there."""
    call: CallSpec | None = None
    protocol: Literal["auto", "modern", "legacy"] = "auto"
    """The era: found out and kept in mind, or ``modern`` (2026-07-28), or ``legacy`` (2025-11-25 and before)."""
    tls_verify: bool = True
    tls_ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's."""
    tls_server_name: str | None = None
    """The name to find in the certificate, if it is not the host of ``url``."""

    def __post_init__(self) -> None:
        address_of(self.url, GatewayPlan())
        for name, value in self.headers.items():
            check_header(name, value)


class McpProbe(Probe[Spec]):
    """Remembers between executions how the server wants to be spoken to, and which tools it had at first."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._address = address_of(spec.url, setting.gateway)
        self._is_gateway = target_of(spec.url, setting.gateway) is Target.GATEWAY
        self._tls = Tls(verify=spec.tls_verify, ca_file=spec.tls_ca_file, server_name=spec.tls_server_name)
        self._headers = _headers(spec, setting)
        name, _, version = setting.user_agent.partition("/")
        self._client = {"name": name, "version": version}
        self._process: GatewayProcess | None = None
        self._opening: Opening | None = None
        self._first: ToolList | None = None

    async def observe(self, run: Run) -> None:
        """Open a conversation, list the tools, and call one if so configured."""
        self._notice_restart()
        try:
            async with connect(self._address, run, tls=self._tls) as connection:
                conversation = Conversation(connection, self._headers, self._client)
                try:
                    await self._converse(conversation, run)
                finally:
                    complaint = await conversation.close()
                    if complaint:
                        run.expect("the session can be ended", complaint, holds=False, otherwise=Outcome.WARN)
        except ProbeFailure:
            # Whoever answers next time may be somebody else.
            self._opening = None
            raise

    def _notice_restart(self) -> None:
        """Forget what another process taught: a new release may speak and offer something else."""
        process = self.setting.gateway_process() if self._is_gateway else None
        if process is not None and process != self._process:
            self._process, self._opening, self._first = process, None, None

    async def _converse(self, conversation: Conversation, run: Run) -> None:
        introduced = await conversation.open(self.spec.protocol, self._opening)
        self._opening = conversation.opening
        _note_server(run, conversation, introduced)
        call = self.spec.call
        if not (introduced.has_tools() or self.spec.tools or call or conversation.opening is Opening.DIRECT):
            run.note("tools", 0)
            return
        tools = await _list_tools(run, conversation)
        listed = ToolList(tools)
        run.note("tools", len(listed))
        run.note("tools_fingerprint", listed.fingerprint)
        holds = self._expect_tools(run, listed)
        if call:
            schema = next((tool.input_schema for tool in tools if tool.name == call.tool), None)
            holds = await _expect_call(run, conversation, call, schema) and holds
        self._expect_no_drift(run, listed, learn=holds)

    def _expect_tools(self, run: Run, listed: ToolList) -> bool:
        """Look for the required tools; of those that are not there, say what they may be called instead."""
        required = self.spec.tools
        missing = [name for name in required if name not in listed]
        count = f"{len(listed)} tool{'' if len(listed) == 1 else 's'}"
        if not missing:
            rule = f"tools/list names {_the_tools(required)}" if required else "tools/list is answered"
            return run.expect(rule, count, holds=True)
        near = sorted({name for wanted in missing[:5] for name in listed.nearest(wanted)} - set(required))
        observed = f"{count}, the nearest {quoted(near)}" if near else count
        return run.expect(f"tools/list names {_the_tools(missing)}", observed, holds=False)

    def _expect_no_drift(self, run: Run, listed: ToolList, *, learn: bool) -> None:
        """Compare with the tools seen first. These are learnt in health: a gateway that still starts has few."""
        if self._first is None:
            self._first = listed if learn else None
        elif listed.hashes != self._first.hashes:
            rule = f"the tools are those seen first ({self._first.fingerprint})"
            observed = f"{listed.fingerprint}: {listed.changes_since(self._first)}"
            run.expect(rule, observed, holds=False, otherwise=Outcome.WARN)


async def _list_tools(run: Run, conversation: Conversation) -> list[Tool]:
    """Fetch the whole list, page by page. Raises ``ProbeFailure``."""
    tools: list[Tool] = []
    cursor = None
    for _ in range(_PAGES_AT_MOST):
        answer = await conversation.ask("tools/list", {"cursor": cursor} if cursor else {})
        page = read_page(answer.result())
        if page is None:
            raise _malformed("the result of tools/list is a list of tools", answer)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor:
            return tools
    run.expect(f"tools/list ends within {_PAGES_AT_MOST} pages", "another page", holds=False, otherwise=Outcome.WARN)
    return tools


async def _expect_call(run: Run, conversation: Conversation, call: CallSpec, schema: object) -> bool:
    """Call the tool. Failures of tools arrive as results, with status 200. Raises ``ProbeFailure``."""
    params = {"name": call.tool, "arguments": call.arguments}
    answer = await conversation.ask("tools/call", params, call_headers(call.tool, schema, call.arguments))
    result = read_call(answer.result())
    if result is None:
        raise _malformed("the result of tools/call has content", answer)
    rule = f"tools/call '{call.tool}' succeeds"
    if result.result_type == "input_required":
        return run.expect(rule, "that the tool asks for input", holds=False)
    text = result.text()
    if result.is_error or call.expect is None:
        return run.expect(rule, _shortened(text), not result.is_error)
    found = re.search(call.expect, text[:_TEXT_SEARCHED])
    rule = f'the result of {call.tool} matches "{call.expect}"'
    return run.expect(rule, _shortened(found[0] if found else text or "no text"), found is not None)


def _note_server(run: Run, conversation: Conversation, introduced: Introduction) -> None:
    opening = conversation.opening or Opening.DISCOVER
    name, version = introduced.server()
    run.note("era", opening.value)
    run.note("protocol", conversation.version)
    if name:
        run.note("server", f"{name} {version}".strip())
    if opening is not Opening.DIRECT:
        method = "initialize" if opening is Opening.INITIALIZE else "server/discover"
        run.expect(f"{method} is answered", f"revision {conversation.version}", holds=True)


def _malformed(rule: str, answer: Answer) -> ProbeFailure:
    return ProbeFailure(rule, _shortened(bytes(answer.result()).decode(errors="replace")))


def _headers(spec: Spec, setting: Setting) -> list[tuple[str, str]]:
    ours = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "User-Agent": setting.user_agent,
    }
    given = {name.lower() for name in spec.headers}
    return [*((name, value) for name, value in ours.items() if name.lower() not in given), *spec.headers.items()]


def _the_tools(names: tuple[str, ...] | list[str]) -> str:
    return f"the tool{'s' if len(names) > 1 else ''} {quoted(names)}"


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_SHOWN else text[:_TEXT_SHOWN] + "…"


def _target(spec: Spec, gateway: GatewayPlan) -> Target:
    return target_of(spec.url, gateway)


KIND = Kind("mcp", Spec, McpProbe, target=_target)
