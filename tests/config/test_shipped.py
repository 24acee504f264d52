"""The annotated file says what holds anyway, and names every key."""

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields, replace

from sidecar.config import load
from sidecar.config.environment import RAILWAY_VARIABLES
from sidecar.config.load import TABLES
from sidecar.contract import Kind
from sidecar.core.notices.plan import SinkPlan
from sidecar.registry import known_kinds, load_kind

SHIPPED = (Path(__file__).parents[2] / "conf" / "sidecar.toml").read_text()
UPSTREAMS = {
    "REDIS_URL": "redis://cache:6379/0",
    "DATABASE_URL": "postgresql://app:hunter2@db/app",
    "BRIGHTDATA_API_TOKEN": "hunter2hunter2",
}


@pytest.mark.parametrize("environ", [{}, UPSTREAMS, {"PORT": "3000", "SIDECAR_TOKEN": "long enough"}])
def test_shipped_file_is_the_embedded_default(environ: dict[str, str]) -> None:
    """With the built-in kinds, and in any environment, the file makes the very plan that no file makes."""
    shipped = load(SHIPPED, environ, load_kind=load_kind, known_kinds=known_kinds, source="conf/sidecar.toml")
    embedded = load("", environ, load_kind=load_kind, known_kinds=known_kinds)
    assert shipped == replace(embedded, source="conf/sidecar.toml")


@pytest.mark.parametrize(("name", "cls"), TABLES.items())
def test_shipped_file_names_every_key(name: str, cls: type[Struct]) -> None:
    """Each key of each table stands in the file, in force or as a comment, so that reading it is enough."""
    section = re.split(r"\n(?:# )?\[", SHIPPED.partition(f"\n[{name}]\n")[2])[0]
    keys = {field.encode_name for field in fields(cls)} - {"sinks"}  # a table of its own, see below
    assert set(re.findall(r"(?m)^(?:# )?([a-z_]+) = ", section)) == keys


def test_shipped_file_names_every_key_of_a_sink() -> None:
    """In its examples, of which there is one for each kind."""
    section = SHIPPED.partition("\n# [notify.sinks.")[2]
    assert set(re.findall(r"(?m)^# ([a-z_]+) = ", section)) == {field.encode_name for field in fields(SinkPlan)}


def test_examples_in_comments_are_valid() -> None:
    """Who takes the comment sign off an example gets what the comment says, not an error."""
    text = re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", SHIPPED)
    railway = dict.fromkeys(RAILWAY_VARIABLES.values(), "https://railway.internal")
    environ = {"GATEWAY_TOKEN": "x", "SIDECAR_TOKEN": "long enough", **railway}
    plan = load(text, environ, load_kind=load_kind, known_kinds=known_kinds)
    examples = ["search", "queue", "certificate", "resolver", "disk", "backup"]
    assert [probe.name for probe in plan.probes] == ["gateway", "mcp", "process", *examples]
    assert list(plan.notify.sinks) == ["operations", "pager"]


def test_tables_that_wait_for_a_variable_load_no_client_library() -> None:
    """The shipped file names cache and database, and must not cost the memory of their libraries without them."""
    loaded: list[str] = []

    def note(name: str) -> Kind[Any] | None:
        loaded.append(name)
        return load_kind(name)

    load(SHIPPED, {}, load_kind=note, known_kinds=known_kinds)
    assert loaded == ["http", "mcp", "process"]
