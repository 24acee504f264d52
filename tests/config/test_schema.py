"""The JSON Schema of the file: in step with the types, and of one mind with the reader."""

import json
from pathlib import Path

import pytest
import tomli
from jsonschema import Draft7Validator

from sidecar.config import ConfigError, load
from sidecar.config.schema import make_schema
from sidecar.registry import BUILT_IN, known_kinds, load_kind

CONF = Path(__file__).parents[2] / "conf"
SCHEMA = make_schema({name: load_kind(name) for name in BUILT_IN})
VALIDATOR = Draft7Validator(SCHEMA)


def is_valid(text: str) -> bool:
    """Tell whether the schema lets a text pass."""
    return VALIDATOR.is_valid(tomli.loads(text))


def test_the_shipped_schema_is_up_to_date() -> None:
    """If not, run ``sidecar config schema > conf/sidecar.schema.json``."""
    assert json.loads((CONF / "sidecar.schema.json").read_text()) == json.loads(json.dumps(SCHEMA))


def test_the_schema_is_one() -> None:
    """Of draft 7."""
    Draft7Validator.check_schema(SCHEMA)


def test_the_shipped_file_is_valid_and_names_its_schema() -> None:
    """In its first line, where editors look for it."""
    text = (CONF / "sidecar.toml").read_text()
    assert text.startswith("#:schema ./sidecar.schema.json\n")
    assert [error.message for error in VALIDATOR.iter_errors(tomli.loads(text))] == []


VALID = [
    "",
    "derive = false\n[probes.x]\nkind = 'http'\nurl = '/'",
    "[probes.gateway]\nurl = '/health'\nstatus = '200'",
    "[probes.gateway]\nkind = 'process'\nmemory = '1GiB'",
    "[probes.process]\nmemory = 1073741824",
    "[drain]\ndrain_after = '1m30s'\nshadow = '${SHADOW:-false}'\nmax_per_hour = '${MANY:-3}'",
    "[probes.mcp]\ncall = { tool = 'search', arguments = { query = 'x', deep = [1, { y = true }] } }",
    "[server]\nport = 9100\ntoken = 'long enough'\nsocket = '/run/x.sock'\n[state]\ndir = '/var/lib/x'",
    "[log]\nformat = 'text'\n[release]\nid = '1'\n[defaults]\nslow = '500ms'",
]
INVALID = [
    "[servr]",
    "derive = 1",
    "[drain]\ndrain_after = 30",
    "[drain]\ndrain_after = '5 parsecs'",
    "[drain]\nmax_per_hour = 0",
    "[drain]\nmax_per_hour = 61",
    "[drain]\nenabled = 'yes'",
    "[server]\nport = 65536",
    "[server]\ntoken = 'short'",
    "[log]\nformat = 'xml'",
    "[probes.x]\nkind = 'http'\nurl = '/'\nintervall = '1s'",
    "[probes.x]\nkind = 'redis'",
    "[probes.gateway]\nmemory = '1GiB'",
    "[probes.process]\nmemory = '1GB'",
    "[probes.x]\nurl = '/'",
    "[probes.X]\nkind = 'http'",
    "[probes.gateway]\non_failure = 'panic'",
    "[probes.mcp]\ncall = { arguments = {} }",
]


@pytest.mark.parametrize("text", VALID)
def test_what_the_reader_accepts_the_schema_lets_pass(text: str) -> None:
    """An editor underlines nothing that is right."""
    load(text, {}, load_kind=load_kind, known_kinds=known_kinds)
    assert [error.message for error in VALIDATOR.iter_errors(tomli.loads(text))] == []


@pytest.mark.parametrize("text", INVALID)
def test_what_the_schema_underlines_the_reader_refuses(text: str) -> None:
    """An editor tells typing errors, wrong types, values out of range and keys that are missing."""
    with pytest.raises(ConfigError):
        load(text, {}, load_kind=load_kind, known_kinds=known_kinds)
    assert not is_valid(text)


def test_a_third_partys_kind_is_let_pass() -> None:
    """Its keys are not known here."""
    assert is_valid("[probes.backup]\nkind = 'file_age'\npath = '/x'")


def test_every_key_has_its_meaning() -> None:
    """What the reference says, an editor shows."""
    drain = SCHEMA["properties"]["drain"]["properties"]
    assert drain["drain_after"]["description"] == "Seconds of unbroken local failure before a drain begins."
    assert drain["drain_after"]["default"] == "30s"
