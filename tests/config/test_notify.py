"""What the tables about notifications say together."""

import sys

import pytest

from sidecar.config import ConfigError, load
from sidecar.config.shown import show_plan
from sidecar.config.toml import write_toml
from sidecar.core.notices.plan import NoticeKind, SinkKind
from sidecar.core.plan import Plan
from sidecar.core.severity import Severity
from sidecar.registry import known_kinds, load_kind

BOTH = """
[notify]
remind_after = "0s"
[notify.sinks.operations]
kind = "webhook"
url = "https://hooks.test/x?token=hunter2hunter2"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
severity = "info"
[notify.sinks.pager]
kind = "apprise"
url = "${PAGER}"
kinds = ["drain", "release"]
"""
ENVIRON = {"PAGER": "slack://TokenA/TokenB/TokenC"}


def read(text: str) -> Plan:
    """Read a plan with the built-in kinds."""
    return load(text, ENVIRON, load_kind=load_kind, known_kinds=known_kinds, source="x.toml")


def problems(text: str) -> list[str]:
    """Read a text that is expected to be invalid."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value).splitlines()


def test_without_a_table_nobody_is_told() -> None:
    """No sink, no message, and no library is needed."""
    assert read("").notify.sinks == {}


def test_sinks_are_known_by_name() -> None:
    """With the defaults of what they leave out."""
    notify = read(BOTH).notify
    operations, pager = notify.sinks["operations"], notify.sinks["pager"]
    assert notify.remind_after == 0
    assert (operations.kind, operations.severity, operations.timeout) == (SinkKind.WEBHOOK, Severity.INFO, 10.0)
    assert (pager.kind, pager.severity) == (SinkKind.APPRISE, Severity.WARNING)
    assert (pager.url, pager.kinds) == (ENVIRON["PAGER"], (NoticeKind.DRAIN, NoticeKind.RELEASE))


def test_addresses_and_keys_are_secrets() -> None:
    """They are shown to nobody, and taken out of every text."""
    plan = read(BOTH)
    shown = write_toml(show_plan(plan))
    assert "hunter2" not in shown
    assert "whsec" not in shown
    assert "TokenB" not in shown
    assert {"hunter2hunter2", ENVIRON["PAGER"], "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="} <= plan.secrets


WEBHOOK = '[notify.sinks.x]\nkind = "webhook"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            WEBHOOK + 'url = "ftp://hunter2.test/"',
            "x.toml:3: notify.sinks.x.url: found a string of 19 characters, expected a web address, https://HOST/...",
        ),
        (WEBHOOK, "x.toml:1: notify.sinks.x.url: missing: a string (at least 8 long) is needed"),
        (
            WEBHOOK + 'url = "https://h.test"\nsecret = "whsec_hunter2!hunter2"',
            "x.toml:4: notify.sinks.x.secret: found a string of 21 characters, expected base64 after whsec_",
        ),
        (
            WEBHOOK + 'url = "https://h.test"\nsecret = "hunter2"',
            "x.toml:4: notify.sinks.x.secret: found a string of 7 characters, expected a string (at least 16 long)",
        ),
        (
            '[notify.sinks.x]\nkind = "mail"\nurl = "https://h.test"',
            'x.toml:2: notify.sinks.x.kind: found "mail", expected "webhook" or "apprise"',
        ),
        (
            '[notify.sinks.x]\nkind = "apprise"\nurl = "hunter2hunter2"',
            "x.toml:3: notify.sinks.x.url: found a string of 14 characters, expected an Apprise URL, SERVICE://...",
        ),
        (
            '[notify.sinks.x]\nkind = "apprise"\nurl = "json://h.test"\nsecret = "hunter2hunter2hunter2"',
            "x.toml:4: notify.sinks.x.secret: only a webhook is signed; remove it",
        ),
        (
            WEBHOOK + 'url = "https://h.test"\nseverity = "fatal"',
            'x.toml:4: notify.sinks.x.severity: found "fatal", expected "info", "warning" or "error"',
        ),
        (
            WEBHOOK.replace(".x]", ".X]") + 'url = "https://h.test"',
            'x.toml:1: notify.sinks.X: found the name "X", expected a name of at most 64 small letters, digits, '
            "- and _, beginning with a letter or digit",
        ),
        ("[notify]\nflap_low = 0.5", "x.toml:2: notify.flap_low: found 0.5, expected at most flap_high, 0.25"),
        ("[notify]\nsinks = 1", "x.toml:2: notify.sinks: found a number, expected a table"),
        (
            '[notify]\nkeep_trying = "0s"',
            'x.toml:2: notify.keep_trying: found "0s", expected a duration from 1s to 30d such as "500ms", "5s", "2m"',
        ),
    ],
)
def test_what_cannot_be_is_an_error(text: str, problem: str) -> None:
    """It is told with its line, what was found, and what was expected; a secret is not shown."""
    lines = problems(text)
    assert lines == [problem]
    assert "hunter2" not in lines[0]


def test_each_kind_of_thing_must_be_known() -> None:
    """A misspelt kind would be told to nobody."""
    [line] = problems(WEBHOOK + 'url = "https://h.test"\nkinds = ["drains"]')
    assert line.startswith('x.toml:4: notify.sinks.x.kinds[0]: found "drains", expected "status", "check", "drain"')


def test_apprise_that_is_not_installed_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra; who configures it without is told how to install it."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert problems(BOTH) == [
        "x.toml:10: notify.sinks.pager.kind: Apprise is not installed; pip install 'mcp-gateway-sidecar[apprise]'"
    ]


def test_too_many_sinks_are_an_error() -> None:
    """A hundred are allowed, no more."""
    text = "\n".join(f'[notify.sinks.s{number}]\nkind = "webhook"\nurl = "https://h.test"' for number in range(101))
    assert problems(text) == ["x.toml:1: notify.sinks: found 101 sinks, expected at most 100"]
