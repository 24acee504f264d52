"""The pure parts of the ``mcp`` probe: messages on the wire, eras, lists of tools, headers of calls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from probes.mcp.era import Opening, introduction, opening_for
from probes.mcp.tools import Tool, ToolList, call_headers, quoted, read_call, read_page
from probes.mcp.wire import Message, ReplyFinder, RpcError, find_error

LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
NOISE = st.sampled_from([
    [b": ping"],
    [b"data:"],
    [b"data"],
    [b"event: message", b"id: 7", b"retry: 10"],
    [b"data: no JSON"],
    [b'data: {"jsonrpc":"2.0","id":9,"result":{}}'],
    [b'data: {"jsonrpc":"2.0","id":"1","result":{}}'],
    [b'data: {"jsonrpc":"2.0","id":true,"result":{}}'],
    [b'data: {"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}'],
    [b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}'],
])  # fmt: skip
REPLY = {"jsonrpc": "2.0", "id": 1, "result": {"text": "line one\nline two"}}


def block(lines, end):
    """Write an event, or what only looks like one."""
    return b"".join(line + end for line in lines) + end


@st.composite
def streams(draw):
    """Noise around one reply, which may stand on several data lines; and where the reply's event ends."""
    end = draw(LINE_ENDS)
    text = json.dumps(REPLY, indent=draw(st.sampled_from([None, 1])), ensure_ascii=draw(st.booleans())).encode()
    space = draw(st.sampled_from([b"", b" "]))
    reply = [b"event: message", *(b"data:" + space + line for line in text.split(b"\n"))]
    before, after = draw(st.lists(NOISE, max_size=4)), draw(st.lists(NOISE, max_size=2))
    start = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + b"".join(block(lines, end) for lines in before)
    start += block(reply, end)
    return start + b"".join(block(lines, end) for lines in after), len(start)


@given(stream=streams(), cuts=st.lists(st.integers(0, 2000)))
def test_reply_is_found_in_any_stream_however_it_is_cut(stream, cuts):
    """Whatever surrounds the reply and wherever the pieces end, it is found as soon as its event is complete."""
    body, end = stream
    finder = ReplyFinder(1)
    for cut in sorted({*(cut for cut in cuts if cut < len(body)), len(body)}):
        # The line feed of a last CR LF adds nothing: the event is complete without it.
        assert finder(body[:cut]) is (cut >= end - body[:end].endswith(b"\r\n"))
    reply = finder.close(body)
    assert json.loads(bytes(reply.result)) == REPLY["result"]


@given(st.one_of(st.binary(), st.text().map(str.encode), st.binary().map(b"data: ".__add__)))
def test_no_body_makes_the_reading_raise(body):
    """Whatever a server sends, reading it gives messages or nothing."""
    finder = ReplyFinder(1)
    finder(body)
    finder.close(body)
    find_error(body)
    finder.close(b"[" + body)
    for read in (introduction, read_page, read_call):
        read(Raw(body))


@pytest.mark.parametrize("opened", [b"[", b'{"id":1,"result":[', b'{"id":1,"error":{"code":1,"data":['])
def test_nesting_without_end_is_no_message(opened):
    """Nesting deeper than a parser can follow counts as garbage."""
    body = opened + b"[" * 200_000
    assert ReplyFinder(1).close(body) is None
    assert find_error(body) is None


def test_json_is_recognised_whatever_the_server_calls_it():
    """A JSON body gives the reply when it has ended, and a batch of messages too."""
    body = json.dumps([{"method": "notifications/message"}, REPLY]).encode()
    finder = ReplyFinder(1)
    assert finder(body) is False
    assert finder.close(body).id == 1


def test_error_without_an_id_is_taken_for_the_reply():
    """A server that could not read the request's id answers with id null: better than nothing."""
    finder = ReplyFinder(1)
    message = finder.close(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}')
    assert message.error == RpcError(-32700, "Parse error")


def reply(value):
    """Grant a request."""
    return Message(id=1, result=Raw(json.dumps(value).encode()))


UNSUPPORTED = {"supported": ["2025-11-25"]}
LATER = {"supported": ["2027-01-01", "2025-11-25"]}


@pytest.mark.parametrize(
    ("status", "message", "error", "opening"),
    [
        (200, reply({"supportedVersions": ["2026-07-28"]}), None, Opening.DISCOVER),
        (200, reply({"supportedVersions": ["2025-11-25", "2027-01-01"]}), None, Opening.DISCOVER),
        (200, reply({"supportedVersions": ["2025-11-25"]}), None, Opening.INITIALIZE),
        (200, reply({}), None, Opening.INITIALIZE),
        (200, reply("ok"), None, Opening.INITIALIZE),
        (200, None, None, Opening.INITIALIZE),
        (200, None, RpcError(-32601), Opening.INITIALIZE),
        (400, None, RpcError(-32020), Opening.DISCOVER),
        (400, None, RpcError(-32021), Opening.DISCOVER),
        (400, None, RpcError(-32022), Opening.DISCOVER),
        (400, None, RpcError(-32022, data=LATER), Opening.DISCOVER),
        (400, None, RpcError(-32022, data=UNSUPPORTED), Opening.INITIALIZE),
        (400, None, RpcError(-32022, data={"supported": "all"}), Opening.DISCOVER),
        (400, None, RpcError(-32600), Opening.INITIALIZE),
        (400, None, None, Opening.INITIALIZE),
        (404, None, RpcError(-32601), Opening.DIRECT),
        (404, None, None, Opening.INITIALIZE),
        (406, None, None, Opening.INITIALIZE),
        (401, None, None, None),
        (429, None, None, None),
        (500, None, RpcError(-32601), None),
        (503, None, None, None),
    ],
)
def test_era_follows_from_the_answer_to_discover(status, message, error, opening):
    """A recognised modern answer is modern, silence about the era decides nothing, all else is legacy."""
    assert opening_for(status, message, error) is opening


SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "where": {"properties": {"city": {"type": "string", "x-mcp-header": "City"}}},
        "evil": {"type": "string", "x-mcp-header": "A: b\r\nHost"},
        "plain": {"type": "string"},
        "list": {"items": {"properties": {"x": {"x-mcp-header": "X"}}}},
    },
}


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({"region": "us-west1"}, {"Mcp-Param-Region": "us-west1"}),
        ({"region": "Hello, 世界"}, {"Mcp-Param-Region": "=?base64?SGVsbG8sIOS4lueVjA==?="}),
        ({"region": " padded "}, {"Mcp-Param-Region": "=?base64?IHBhZGRlZCA=?="}),
        ({"region": "line1\nline2"}, {"Mcp-Param-Region": "=?base64?bGluZTEKbGluZTI=?="}),
        ({"region": "=?base64?literal?="}, {"Mcp-Param-Region": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="}),
        ({"region": ""}, {"Mcp-Param-Region": "=?base64??="}),
        ({"region": None, "plain": "x", "unknown": 1}, {}),
        ({"count": -7, "dry": True}, {"Mcp-Param-Count": "-7", "Mcp-Param-Dry": "true"}),
        ({"where": {"city": "Bern"}}, {"Mcp-Param-City": "Bern"}),
        ({"where": "Bern", "list": [{"x": "y"}], "evil": "z"}, {}),
    ],
)
def test_marked_arguments_are_repeated_in_headers(arguments, headers):
    """Values are encoded as in the specification's examples; marks off the chain of properties do not count."""
    assert dict(call_headers("query", SCHEMA, arguments)) == {"Mcp-Name": "query"} | headers


@pytest.mark.parametrize("schema", [None, "x", {"properties": []}, {"properties": {"a": "x"}}])
def test_a_broken_schema_marks_nothing(schema):
    """A schema that is none is no reason to fail."""
    assert call_headers("naïve", schema, {"a": 1}) == [("Mcp-Name", "=?base64?bmHDr3Zl?=")]


def test_fingerprint_is_of_what_a_client_sees_and_not_of_its_order():
    """Order of tools and of keys leave the fingerprint alone, a changed description does not."""
    one = Tool("a", "first", {"type": "object", "title": "t"})
    same = Tool("a", "first", {"title": "t", "type": "object"})
    changed = Tool("a", "other", {"title": "t", "type": "object"})
    two = Tool("b")
    fingerprint = ToolList([one, two]).fingerprint
    assert ToolList([two, same]).fingerprint == fingerprint
    assert ToolList([two, changed]).fingerprint != fingerprint
    assert len(fingerprint) == 8


def test_difference_of_two_lists_is_told_by_name():
    """The reader learns which tools came, went, and changed."""
    before = ToolList([Tool("gone"), Tool("same"), Tool("other", "a")])
    after = ToolList([Tool("new"), Tool("same"), Tool("other", "b")])
    assert after.changes_since(before) == "added 'new'; removed 'gone'; changed 'other'"


def test_many_names_are_cut_short():
    """A list of hundreds does not flood the reason."""
    assert quoted(f"t{number}" for number in range(7)) == "'t0', 't1', 't2', 't3', 't4' and 2 more"
