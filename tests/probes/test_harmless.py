"""For a preflight every built-in kind has a look that changes and costs nothing, or none."""

import pytest
from msgspec.structs import replace

import probes.mcp.probe as mcp
from sidecar.contract import Kind
from sidecar.registry import BUILT_IN, load_kind

TOKEN = "b5648e1096c6442f60a6c4bbbe73f8d2"


def kind(name: str) -> Kind:
    """Load a built-in kind."""
    loaded = load_kind(name)
    assert loaded is not None
    return loaded


def spec(name: str, /, **keys: object) -> object:
    """Set a probe of this kind."""
    return kind(name).spec(**keys)


AS_THEY_ARE = {
    "dns": {"name": "localhost"},
    "http": {"url": "http://127.0.0.1/", "method": "GET"},
    "mcp": {},
    "postgres": {"url": "postgres://127.0.0.1/x", "query": "DELETE FROM t"},  # its transaction is read-only
    "process": {},
    "redis": {"url": "redis://127.0.0.1", "memory": 90.0},
    "tcp": {"address": "127.0.0.1:25", "expect": "^220"},
    "tls": {"address": "127.0.0.1:443"},
}


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_what_only_reads_is_looked_at_as_it_is(name: str) -> None:
    """With every setting of the probe."""
    given = spec(name, **AS_THEY_ARE[name])
    assert kind(name).harmless(given) == given


CHANGED = {
    "redis without the round trip": (
        "redis",
        {"url": "redis://127.0.0.1", "roundtrip": True, "memory": 90.0},
        {"roundtrip": False},
    ),
    "mcp without the call": ("mcp", {"call": mcp.CallSpec(tool="search"), "tools": ("search",)}, {"call": None}),
    "tcp without a word": (
        "tcp",
        {"address": "127.0.0.1:6379", "send": "FLUSHALL\r\n", "expect": "OK"},
        {"send": None, "expect": None},
    ),
    "brightdata for free": ("brightdata", {"mode": "request", "token": TOKEN, "zone": "z"}, {"mode": "free"}),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_would_write_or_cost_is_left_out(what: str) -> None:
    """Everything else stays as it is set."""
    name, keys, changes = CHANGED[what]
    given = spec(name, **keys)
    assert kind(name).harmless(given) == replace(given, **changes)


NONE = {
    "a program": ("command", {"argv": ("true",)}),
    "a report": ("heartbeat", {"file": "/tmp/beat", "every": 60.0}),  # noqa: S108 - nobody opens it
    "a POST": ("http", {"url": "http://127.0.0.1/", "method": "POST", "body": "{}"}),
    "a proxy without the account's key": (
        "brightdata",
        {"mode": "proxy", "customer": "hl_1", "zone": "z", "password": "p"},
    ),
}


@pytest.mark.parametrize("what", NONE)
def test_where_nobody_knows_what_a_look_does_there_is_none(what: str) -> None:
    """Nor where nobody could have reported yet, or every question is billed."""
    name, keys = NONE[what]
    assert kind(name).harmless(spec(name, **keys)) is None


def test_no_kind_is_left_out_here() -> None:
    """Who adds one has to say what a harmless look is."""
    assert {*AS_THEY_ARE, *(name for name, *_ in (*CHANGED.values(), *NONE.values()))} == set(BUILT_IN)
