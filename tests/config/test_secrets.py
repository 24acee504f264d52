"""Secrets are known, and appear in no error."""

from collections.abc import Callable

import pytest

from sidecar.config.secrets import secrets_in
from sidecar.core.plan import Plan

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", set()),
        ("redis://:p%24ss@host:6379/0", {"p%24ss", "p$ss"}),
        ("postgres://app:p/ss@w@host/db", {"p/ss@w"}),
        ("postgres://app@host/db", set()),
        ("https://user:word@host/x", {"word"}),
        ("https://ghp_token@host/x", {"ghp_token"}),
        ("https://host/@scope/package", set()),
        ("https://host/mcp?token=a%2Bb&page=2", {"a%2Bb", "a+b"}),
        ("https://host?api_key=abc#token=x", {"abc"}),
        ("postgres://host/db?user=u&password=secret", {"secret"}),
        ("://", set()),
    ],
)
def test_credentials_of_a_url_are_found(text: str, found: set[str]) -> None:
    """The password, as written and percent-decoded, a token in its place, and parameters with telling names."""
    assert secrets_in(text) == found


def test_secret_is_found_with_and_without_its_scheme() -> None:
    """A library may show the token of an Authorization header without the word before it."""
    assert secrets_in("Bearer abcdef", secret=True) == {"Bearer abcdef", "abcdef"}


def test_plan_names_every_secret(plan_of: Load) -> None:
    """Secret keys, secret headers, the server's token and passwords inside URLs are there to be redacted."""
    text = """
    [server]
    token = "${MY_TOKEN}"
    [probes.web]
    kind = "http"
    url = "https://me:inurl@host/?key=inquery"
    headers = {Authorization = "Bearer inheader", X-Key = "abc"}
    [probes.cache]
    kind = "redis"
    url = "redis://:in%2Dredis@host"
    """
    assert plan_of(text, {"MY_TOKEN": "in-server"}).secrets == {
        "in-server", "inurl", "inquery", "Bearer inheader", "inheader",
        "redis://:in%2Dredis@host", "redis://:in-redis@host", "in%2Dredis", "in-redis",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '[probes.p]\nkind = "redis"\nurl = "hunter22"',
        '[probes.p]\nkind = "redis"\nurl = ["hunter22"]',
        '[probes.p]\nkind = "redis"\nurl = {a = "hunter22"}',
        '[probes.p]\nkind = "redis"\nurl = 22222222',
        '[probes.p]\nkind = "redis"\nurll = "hunter22"',
        '[probes.p]\nkind = "http"\nheaders = "Authorization: hunter22"',
        '[probes.p]\nkind = "http"\nheaders = ["hunter22"]',
        '[probes.p]\nkind = "http"\nheaders = {A = ["hunter22"]}',
        '[probes.p]\nkind = "http"\nurl = "http://u:hunter22@bad"',
        '[probes.p]\nkind = "http"\nmethod = "http://u:hunter22@host"',
        '[probes]\np = "hunter22"',
        'probes = "hunter22"',
        'server = "hunter22"',
        '[server]\ntoken = "1"\nport = "http://u:hunter22@host"',
        '[server]\ntoken = ["hunter22"]',
        '[server]\ntoken = "hunter22\ntoken = 1',
        'token = "hunter22"',
    ],
)
def test_secret_is_never_in_an_error(problems_of: Problems, text: str) -> None:
    """Whatever is wrong with a secret or its place, the error tells its nature and never its value."""
    assert "22" not in "\n".join(problems_of(text))


def test_short_secret_is_told_by_its_length(problems_of: Problems) -> None:
    """A token that anybody could guess is refused without being shown."""
    (line,) = problems_of('[server]\ntoken = "abc"')
    assert line == "x.toml:2: server.token: found a string of 3 characters, expected a string (at least 8 long)"
