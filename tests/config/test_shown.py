"""A plan written as TOML: complete, without secrets, and the same plan again when it is read."""

from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.config import load
from sidecar.config.shown import show_plan
from sidecar.config.toml import write_toml
from sidecar.core.plan import Plan
from sidecar.registry import known_kinds, load_kind

TEXT = """
[probes.gateway]
headers = { Authorization = "Bearer hunter2hunter2" }
expect_json = { "a.b" = 1, c = "x" }
slow = "500ms"
[probes.mcp]
call = { tool = "search", arguments = { query = "x" } }
[probes.process]
memory = "1GiB"
fail = ["memory"]
[server]
token = "hunter2hunter2"
"""
ENVIRON = {"REDIS_URL": "redis://app:hunter2@cache:6379/0", "STATE_DIRECTORY": "/var/lib/x:/var/lib/y"}


def read(text: str) -> Plan:
    """Read a plan with the built-in kinds."""
    return load(text, ENVIRON, load_kind=load_kind, known_kinds=known_kinds)


def test_no_secret_is_shown() -> None:
    """Neither a typed one nor one inside another value."""
    shown = write_toml(show_plan(read(TEXT)))
    assert "hunter2" not in shown
    assert 'token = "[redacted]"' in shown


def test_what_is_shown_makes_the_same_plan() -> None:
    """Derived probes and defaults included, but for the secrets."""
    plan = read(TEXT.replace('headers = { Authorization = "Bearer hunter2hunter2" }', "").partition("[server]")[0])
    shown = show_plan(plan)
    assert shown["probes"]["cache"].pop("url") == "[redacted]"
    shown["probes"]["cache"]["url"] = ENVIRON["REDIS_URL"]
    again = read(write_toml(shown))
    assert again == replace(plan, remarks=again.remarks)
    assert shown["state"]["dir"] == "/var/lib/x"


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_whatever_is_written_is_read_again(document: dict[str, Any]) -> None:
    """Any text, number, list and table, under any name."""
    assert tomli.loads(write_toml(document)) == document


@pytest.mark.parametrize(("value", "written"), [({"a": None, "b": 1}, "b = 1"), ({"a": "\udce4"}, 'a = "\ufffd"')])
def test_what_toml_cannot_say_is_left_out(value: dict[str, Any], written: str) -> None:
    """Rather than written wrongly."""
    assert write_toml(value) == written
