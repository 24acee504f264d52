"""The ``mcp`` probe against real servers of both eras, and against servers that misbehave."""

import anyio
import pytest
from builders import process
from servers.http import whole
from servers.mcp import DISCOVERED, INITIALIZED, TOOLS, document, failed, legacy, modern, open_stream, result
from servers.ports import take_port

from probes.mcp import KIND, CallSpec, Spec
from sidecar.contract import GatewayPlan, ProbeFailure, Run, Setting, Target
from sidecar.core.judge import judge
from sidecar.core.verdict import Evidence, Outcome

pytestmark = pytest.mark.anyio


def make(port, gateway_process=lambda: None, **keys):
    """Make a probe of the gateway at a port."""
    setting = Setting(
        name="mcp",
        timeout=2.0,
        gateway=GatewayPlan(port=port),
        gateway_process=gateway_process,
        user_agent="mcp-gateway-sidecar/0.0",
    )
    return KIND.probe(Spec(**keys), setting)


async def look(probe):
    """One execution, and the verdict on it."""
    run = Run()
    try:
        await probe.observe(run)
    except ProbeFailure as failure:
        run.record(failure)
    return judge(run.observation(started=0.0, wall=0.0, elapsed=0.0))


# --- real servers ---


async def test_gateway_of_the_legacy_era_passes_and_its_session_is_ended(legacy_server):
    """A real mcp-proxy is initialised, listed, and its session deleted; the second execution knows the era."""
    probe = make(legacy_server.port, tools=("get_current_time",))
    for _ in range(2):
        verdict = await look(probe)
        assert (verdict.outcome, verdict.reason) == (
            Outcome.PASS,
            "tools/list names the tool 'get_current_time': found 2 tools",
        )
        notes = verdict.observation.notes
        assert (notes["era"], notes["protocol"], notes["tools"]) == ("legacy", "2025-11-25", 2)
        assert notes["server"].startswith("mcp-time ")
        assert len(notes["tools_fingerprint"]) == 8
        await anyio.to_thread.run_sync(legacy_server.logged, '"DELETE /mcp HTTP/1.1" 200')


async def test_missing_tool_fails_with_the_nearest_names(legacy_server):
    """A misspelt tool is named, together with what it may have been meant to be."""
    verdict = await look(make(legacy_server.port, tools=("get_curent_time", "convert_time")))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == (
        "tools/list names the tool 'get_curent_time': found 2 tools, the nearest 'get_current_time'"
    )


@pytest.mark.parametrize(
    ("expect", "outcome", "reason"),
    [
        ("UTC|GMT", Outcome.PASS, 'the result of get_current_time matches "UTC|GMT": found UTC'),
        ("Mars", Outcome.FAIL, 'the result of get_current_time matches "Mars": found {'),
    ],
)
async def test_tool_of_a_legacy_server_is_called(legacy_server, expect, outcome, reason):
    """The text of the result is held against the pattern."""
    call = CallSpec(tool="get_current_time", arguments={"timezone": "UTC"}, expect=expect)
    verdict = await look(make(legacy_server.port, call=call))
    assert verdict.outcome is outcome
    assert verdict.reason.startswith(reason)


async def test_server_of_the_modern_era_passes(modern_server):
    """A real server is discovered and listed without a session."""
    verdict = await look(make(modern_server.port, tools=("echo", "fail")))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.PASS,
        f"tools/list names the tools 'echo', 'fail': found {verdict.observation.notes['tools']} tools",
    )
    notes = verdict.observation.notes
    assert (notes["era"], notes["protocol"], notes["server"]) == ("modern", "2026-07-28", "bench 1.2.3")


async def test_modern_server_spoken_to_in_the_legacy_way_passes(modern_server):
    """``protocol = "legacy"`` is obeyed; this server then answers in streams of events."""
    verdict = await look(make(modern_server.port, protocol="legacy", tools=("echo",)))
    assert verdict.outcome is Outcome.PASS
    assert verdict.observation.notes["era"] == "legacy"


async def test_legacy_server_fails_where_the_modern_era_is_demanded(legacy_server):
    """``protocol = "modern"`` does not fall back."""
    verdict = await look(make(legacy_server.port, protocol="modern"))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith("server/discover is answered: found 400 with JSON-RPC error -32600: ")


async def test_tool_of_a_modern_server_is_called(modern_server):
    """Arguments arrive, also those outside ASCII."""
    call = CallSpec(tool="echo", arguments={"text": "grüezi"}, expect="^grüezi$")
    assert (await look(make(modern_server.port, call=call))).outcome is Outcome.PASS


async def test_failing_tool_fails_although_the_status_is_200(modern_server):
    """``isError`` counts, not the status."""
    verdict = await look(make(modern_server.port, call=CallSpec(tool="fail")))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason == "tools/call 'fail' succeeds: found Error executing tool fail"


async def test_drift_warns_until_the_process_is_another(modern_server):
    """Tools that change under a running process warn, again and again; a new process brings its own tools."""
    gateway = process(pid=1)
    probe = make(modern_server.port, lambda: gateway)
    assert (await look(probe)).outcome is Outcome.PASS
    await look(make(modern_server.port, call=CallSpec(tool="grow")))
    try:
        for _ in range(2):
            verdict = await look(probe)
            assert verdict.outcome is Outcome.WARN
            assert verdict.reason.endswith(": added 'extra'")
        gateway = process(pid=2)
        assert (await look(probe)).outcome is Outcome.PASS
    finally:
        await look(make(modern_server.port, call=CallSpec(tool="shrink")))


async def test_nobody_listening_is_evidence_of_refusal():
    """A refused connection is told as such."""
    verdict = await look(make(take_port()))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)


# --- eras ---


async def test_era_is_kept_in_mind(serve):
    """The unsuccessful ``server/discover`` is sent once, not in each execution."""
    fake = legacy()
    probe = make((await serve(fake)).port)
    for _ in range(2):
        assert (await look(probe)).outcome is Outcome.PASS
    conversation = ["initialize", "notifications/initialized", "tools/list", "DELETE"]
    assert fake.methods == ["server/discover", *conversation, *conversation]


async def test_each_request_is_timed_by_its_name(serve):
    """Where an execution spent its time, or ended, is told in the words of the protocol."""
    verdict = await look(make((await serve(legacy())).port, protocol="legacy"))
    phases = [phase.name for phase in verdict.observation.phases]
    assert phases == ["connect", "initialize", "initialized", "tools/list", "close"]


async def test_failure_makes_the_probe_find_the_era_out_again(serve):
    """A server that was replaced by one of the other era costs one failure, and then passes."""
    fake = legacy()
    probe = make((await serve(fake)).port)
    await look(probe)
    fake.answers = modern().answers
    assert (await look(probe)).outcome is Outcome.FAIL
    assert (await look(probe)).outcome is Outcome.PASS
    fake.answers = legacy().answers
    assert (await look(probe)).outcome is Outcome.PASS


async def test_new_process_makes_the_probe_find_the_era_out_again(serve):
    """Nothing learnt from one process is held against the next."""
    fake, gateway = legacy(), process(pid=1)
    probe = make((await serve(fake)).port, lambda: gateway)
    await look(probe)
    gateway, fake.answers = process(pid=2), modern().answers
    assert (await look(probe)).outcome is Outcome.PASS


async def test_bridge_without_discover_is_served_in_the_modern_way(serve):
    """404 with -32601 to ``server/discover`` is tried further, and remembered."""
    fake = modern()
    del fake.answers["server/discover"]
    probe = make((await serve(fake)).port)
    for _ in range(2):
        verdict = await look(probe)
        assert verdict.outcome is Outcome.PASS
        assert verdict.observation.notes["era"] == "modern, without server/discover"
    assert fake.methods == ["server/discover", "tools/list", "tools/list", "tools/list"]


async def test_bridge_without_any_modern_method_is_initialised(serve):
    """404 with -32601 to every modern request falls back."""
    fake = legacy()
    del fake.answers["server/discover"]
    granted = fake.answers["tools/list"]
    fake.answers["tools/list"] = lambda call: (
        granted(call) if "mcp-session-id" in call.headers else failed(-32601, "Method not found", status=404)
    )
    verdict = await look(make((await serve(fake)).port))
    assert verdict.outcome is Outcome.PASS
    assert verdict.observation.notes["era"] == "legacy"


@pytest.mark.parametrize(
    "discover",
    [
        lambda call: result(call, DISCOVERED | {"supportedVersions": ["2027-01-01"]}),
        lambda _: failed(-32022, "Unsupported", status=400, data={"supported": ["2027-01-01"]}),
    ],
)
async def test_server_of_the_future_is_unknown(serve, discover):
    """That this program does not speak a later revision says nothing about the server."""
    verdict = await look(make((await serve(modern({"server/discover": discover}))).port))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert verdict.reason.endswith("2027-01-01")


async def test_requests_carry_what_each_era_asks_for(serve):
    """Headers and parameters are those of the specifications, and the configured headers come along."""
    fake = modern()
    call = CallSpec(tool="alpha", arguments={"a": 1})
    probe = make((await serve(fake)).port, headers={"Authorization": "Bearer x", "user-agent": "me"}, call=call)
    assert (await look(probe)).outcome is Outcome.PASS
    for sent in fake.calls:
        assert sent.headers["accept"] == "application/json, text/event-stream"
        assert sent.headers["mcp-protocol-version"] == "2026-07-28"
        assert sent.headers["mcp-method"] == sent.method
        assert (sent.headers["authorization"], sent.headers["user-agent"]) == ("Bearer x", "me")
        assert sent.params["_meta"] == {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "mcp-gateway-sidecar", "version": "0.0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    assert (sent.headers["mcp-name"], sent.params["arguments"]) == ("alpha", {"a": 1})
    fake.answers, fake.calls = legacy().answers, []
    assert (await look(make(probe.setting.gateway.port, call=call))).outcome is Outcome.PASS
    _, initialize, *rest = fake.calls
    assert "mcp-session-id" not in initialize.headers
    assert initialize.params["protocolVersion"] == "2025-11-25"
    for sent in rest:
        assert (sent.headers["mcp-session-id"], sent.headers["mcp-protocol-version"]) == ("s-1", "2025-06-18")
        assert "mcp-method" not in sent.headers


# --- replies that are hard to read ---


async def test_stream_that_stays_open_is_left_at_the_reply(serve):
    """Empty first events, the server's own requests and other ids are passed over; nobody waits for the end."""

    def listed(call):
        return open_stream(
            {"jsonrpc": "2.0", "method": "notifications/message", "params": {}},
            {"jsonrpc": "2.0", "id": call.message["id"], "method": "sampling/createMessage", "params": {}},
            {"jsonrpc": "2.0", "id": 99, "result": {"tools": []}},
            {"jsonrpc": "2.0", "id": call.message["id"], "result": {"tools": TOOLS}},
        )

    fake = legacy({"tools/list": listed})
    assert (await look(make((await serve(fake)).port, tools=("beta",)))).outcome is Outcome.PASS
    assert fake.methods[-1] == "DELETE"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (lambda _: whole(200, b"<html>hello", b"Content-Type: text/html; charset=x"), "200 text/html '<html>hello'"),
        (lambda _: whole(200, b"\xff\x00\xfe"), "200 no content type"),
        (lambda _: whole(200), "200 with an empty body"),
        (lambda _: whole(202), "202 with an empty body"),
        (lambda _: document({"jsonrpc": "2.0", "id": 99, "result": {}}), "200 application/json"),
        (lambda _: document({"jsonrpc": "2.0", "error": "bad"}), "200 application/json"),
    ],
)
async def test_garbage_is_a_wrong_reply(serve, answer, found):
    """What is no reply is shown as it came."""
    verdict = await look(make((await serve(legacy({"tools/list": answer}))).port))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason.startswith(f"tools/list is answered: found {found}")


@pytest.mark.parametrize(
    ("method", "value", "rule"),
    [
        ("tools/list", {"tools": "none"}, "the result of tools/list is a list of tools"),
        ("tools/list", {"tools": [{"name": 7}]}, "the result of tools/list is a list of tools"),
        ("tools/call", {"content": "done"}, "the result of tools/call has content"),
        ("tools/call", {"resultType": "input_required"}, "tools/call 'alpha' succeeds"),
        ("initialize", INITIALIZED | {"protocolVersion": "1\r\nHost: evil"}, "initialize names a protocol revision"),
        ("initialize", {}, "initialize names a protocol revision"),
    ],
)
async def test_result_of_the_wrong_shape_is_a_wrong_reply(serve, method, value, rule):
    """A result that is none of the specification's fails by name."""
    fake = legacy({method: lambda call: result(call, value)})
    verdict = await look(make((await serve(fake)).port, call=CallSpec(tool="alpha")))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason.startswith(f"{rule}: found ")


async def test_session_name_that_cannot_be_a_header_is_a_wrong_reply(serve):
    """A session must be named in visible ASCII."""
    fake = legacy({"initialize": lambda call: result(call, INITIALIZED, b"Mcp-Session-Id: a b")})
    verdict = await look(make((await serve(fake)).port))
    assert verdict.reason.startswith("initialize opens a session named in visible ASCII: found ")


async def test_list_that_is_too_long_to_read_is_unknown(serve):
    """The bound on a reply is ours: going over it condemns nobody."""
    tools = [{"name": "x" * 1024} for _ in range(5000)]
    fake = modern({"tools/list": lambda call: result(call, {"tools": tools})})
    verdict = await look(make((await serve(fake)).port))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)


# --- refusals ---

WRONG = (Outcome.FAIL, Evidence.WRONG)
MISCONFIGURED = (Outcome.FAIL, Evidence.MISCONFIGURED)


@pytest.mark.parametrize(
    ("answer", "judged", "text"),
    [
        (whole(401), MISCONFIGURED, "401, the credentials are missing or refused"),
        (whole(403), MISCONFIGURED, "403, "),
        (whole(404), MISCONFIGURED, "404, nothing is there: check the path in 'url'"),
        (whole(405), MISCONFIGURED, "405, "),
        (failed(-32600, "Not Acceptable", status=406), MISCONFIGURED, "406, "),
        (whole(307, b"", b"Location: //u:p@h/mcp/?token=s3cret"), MISCONFIGURED, "307, a redi"),
        (whole(429), (Outcome.WARN, None), "429, too many requests"),
        (whole(400), WRONG, "400 with an empty body"),
        (whole(500), WRONG, "500 with an empty body"),
        (whole(503, b"no backend"), WRONG, "503 no content type 'no backend'"),
        (failed(-32603, "boom"), WRONG, "200 with JSON-RPC error -32603: boom"),
        (failed(-32603, "boom", status=500), WRONG, "500 with JSON-RPC error -32603: boom"),
    ],
)
@pytest.mark.parametrize("protocol", ["auto", "modern", "legacy"])
async def test_refusal_is_told_with_what_to_do(serve, answer, judged, text, protocol):
    """Statuses that name a misconfigured probe say so; the others are the server's failure, 429 only a warning."""
    fake = legacy(dict.fromkeys(("server/discover", "initialize"), lambda _: answer))
    verdict = await look(make((await serve(fake)).port, protocol=protocol))
    assert (verdict.outcome, verdict.evidence) == judged
    assert f" is answered: found {text}" in verdict.reason
    assert "s3cret" not in verdict.reason
    assert "u:p" not in verdict.reason


@pytest.mark.parametrize("status", [400, 404])
async def test_session_that_is_not_known_any_more_is_a_wrong_reply(serve, status):
    """404 within a session speaks of the session, not of the path: several workers may not share theirs."""
    fake = legacy({"tools/list": lambda _: failed(-32600, "Session not found", status=status)})
    verdict = await look(make((await serve(fake)).port))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "Session not found" in verdict.reason


async def test_unconfirmed_session_is_a_wrong_reply(serve):
    """``notifications/initialized`` must be accepted, and the session is ended all the same."""
    fake = legacy({"notifications/initialized": lambda _: whole(400)})
    verdict = await look(make((await serve(fake)).port))
    assert verdict.reason.startswith("notifications/initialized is answered: found 400")
    assert fake.methods[-1] == "DELETE"


# --- tools ---


async def test_list_is_read_page_by_page(serve):
    """All pages count, and the cursor of each asks for the next."""

    def listed(call):
        last = call.params.get("cursor") == "2"
        return result(call, {"tools": TOOLS[1:] if last else TOOLS[:1]} | ({} if last else {"nextCursor": "2"}))

    verdict = await look(make((await serve(modern({"tools/list": listed}))).port, tools=("alpha", "beta")))
    assert verdict.outcome is Outcome.PASS
    assert verdict.observation.notes["tools"] == 2


async def test_pages_without_end_are_left_with_a_warning(serve):
    """A list that never ends costs a bounded number of requests."""
    fake = modern({"tools/list": lambda call: result(call, {"tools": TOOLS, "nextCursor": "again"})})
    verdict = await look(make((await serve(fake)).port))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.WARN,
        "tools/list ends within 20 pages: found another page",
    )
    assert fake.methods.count("tools/list") == 20


async def test_server_that_declares_no_tools_is_not_asked_for_them(serve):
    """A server of resources and prompts alone is healthy, unless tools are required of it."""
    fake = modern({"server/discover": lambda call: result(call, DISCOVERED | {"capabilities": {"prompts": {}}})})
    port = (await serve(fake)).port
    verdict = await look(make(port))
    assert (verdict.outcome, verdict.observation.notes["tools"]) == (Outcome.PASS, 0)
    assert fake.methods == ["server/discover"]
    assert (await look(make(port, tools=("gamma",)))).outcome is Outcome.FAIL


async def test_tools_of_a_gateway_that_still_starts_are_not_what_drift_is_held_against(serve):
    """The first healthy list is the one to keep: a gateway gathers its tools while it starts."""
    tools = TOOLS[:1]
    fake = modern({"tools/list": lambda call: result(call, {"tools": tools})})
    probe = make((await serve(fake)).port, tools=("beta",))
    assert (await look(probe)).outcome is Outcome.FAIL
    tools = TOOLS
    assert (await look(probe)).outcome is Outcome.PASS


# --- sessions ---


@pytest.mark.parametrize("status", [200, 202, 204, 404, 405])
async def test_servers_that_do_not_end_sessions_pass(serve, status):
    """Some servers do not let clients end sessions, others have ended them already."""
    verdict = await look(make((await serve(legacy({"DELETE": lambda _: whole(status)}))).port))
    assert verdict.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("answer", "found"),
    [(lambda _: whole(500), "status 500"), (lambda _: None, "no reply within 1 s"), (lambda _: b"x\r\n", "")],
)
async def test_session_that_cannot_be_ended_warns(serve, answer, found):
    """Sessions that pile up are worth a warning, and a server that hangs there costs a bounded time."""
    verdict = await look(make((await serve(legacy({"DELETE": answer}))).port))
    assert verdict.outcome is Outcome.WARN
    assert verdict.reason.startswith("the session can be ended: found " + found)


async def test_server_without_sessions_is_sent_no_deletion(serve):
    """The session is the server's to offer."""
    fake = legacy({"initialize": lambda call: result(call, INITIALIZED)})
    assert (await look(make((await serve(fake)).port))).outcome is Outcome.PASS
    assert "DELETE" not in fake.methods


async def test_session_that_began_wrongly_is_ended_too(serve):
    """The server has opened it, whatever else its reply says; the revision named is one it can know."""
    fake = legacy({"initialize": lambda call: result(call, {}, b"Mcp-Session-Id: s-1")})
    assert (await look(make((await serve(fake)).port))).outcome is Outcome.FAIL
    sent = fake.calls[-1]
    assert (sent.method, sent.headers["mcp-session-id"]) == ("DELETE", "s-1")
    assert sent.headers["mcp-protocol-version"] == "2025-11-25"


async def test_session_is_ended_when_the_deadline_passes(serve):
    """Cancellation ends the session too, on a connection of its own: the reply not waited for may still come."""
    asked = anyio.Event()

    def hold(_):
        asked.set()

    fake = legacy({"tools/list": hold})
    server = await serve(fake)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(make(server.port).observe, Run())
        await asked.wait()
        tasks.cancel_scope.cancel()
    assert fake.methods[-1] == "DELETE"
    assert fake.calls[-1].headers["mcp-session-id"] == "s-1"
    assert len(server.peers) == 2


# --- settings ---


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/mcp", Target.GATEWAY),
        ("http://127.0.0.1:8000/mcp", Target.GATEWAY),
        ("http://localhost:8000/mcp", Target.GATEWAY),
        ("http://[::1]:8000/mcp", Target.GATEWAY),
        ("http://localhost:8001/mcp", Target.UPSTREAM),
        ("https://mcp.example.test:8000/mcp", Target.UPSTREAM),
    ],
)
def test_target_follows_from_the_url(url, target):
    """Whoever asks the gateway's port on this host asks the gateway."""
    assert KIND.target(Spec(url=url), GatewayPlan(port=8000)) is target


@pytest.mark.parametrize(
    "make_spec",
    [
        lambda: Spec(url="mcp"),
        lambda: Spec(url="http://user:s3cret@host/"),
        lambda: Spec(headers={"Authorization": "s3cret\r\nHost: evil"}),
        lambda: Spec(headers={"bad name": "s3cret"}),
        lambda: CallSpec(tool="echo", expect="("),
    ],
)
def test_impossible_settings_are_refused_without_showing_secrets(make_spec):
    """What cannot work is refused when the configuration is read."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is judged below
        make_spec()
    assert "s3cret" not in str(caught.value)
