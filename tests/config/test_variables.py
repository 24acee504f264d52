"""``${VAR}`` and ``${VAR:-default}``."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.expanded import Expanded
from sidecar.config.report import Report
from sidecar.config.variables import expand, plain
from sidecar.core.plan import Plan

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"),
        ("x-${A}-${B}", "x-one-two"),
        ("${A:-other}", "one"),
        ("${GONE:-other}", "other"),
        ("${GONE:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${GONE:-a$b:-c}", "a$b:-c"),
        ("^ok$", "^ok$"),
        ("$A $$ $", "$A $$ $"),
        ("$${A}", "${A}"),
        ("${TRICK}", "${A}"),
    ],
)
def test_variable_is_replaced(text: str, value: str) -> None:
    """Defaults are used when unset or empty, ``$${`` is a literal, other dollars and what variables hold are left."""
    report = Report()
    environ = {"A": "one", "B": "two", "EMPTY": "", "TRICK": "${A}"}
    assert plain(expand({"k": [text]}, (), environ, report)) == {"k": [value]}
    assert not report


@given(st.text().filter(lambda text: "${" not in text))
def test_text_without_variables_is_left_alone(text: str) -> None:
    """Only ``${`` means anything."""
    assert expand(text, ("k",), {}, Report()) == text


@given(st.text(alphabet="${}:-AB1 "), st.dictionaries(st.sampled_from("AB"), st.text()))
def test_any_text_is_replaced_or_reported(text: str, environ: dict[str, str]) -> None:
    """However mangled, a text either comes to a string or is a problem, never both."""
    report = Report()
    value = expand(text, ("k",), environ, report)
    assert isinstance(value, (str, Expanded)) is not bool(report)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("redirects", "7", 7),
        ("share", "0.5", 0.5),
        ("share", "1", 1.0),
        ("follow", "true", True),
        ("limit", "2048", 2048),
        ("limit", "2KiB", 2048),
        ("pause", "5s", 5.0),
        ("method", "HEAD", "HEAD"),
        ("codes", "204", 204),
    ],
)
def test_variable_becomes_what_its_key_wants(plan_of: Load, key: str, text: str, value: Any) -> None:
    """The environment has only strings; a number or a boolean is read from one, from a default as well."""
    for source, environ in (("${V}", {"V": text}), (f"${{V:-{text}}}", {})):
        plan = plan_of(f'[probes.p]\nkind = "http"\n{key} = "{source}"', environ)
        assert getattr(plan.probes[-1].spec, key) == value


def test_variables_work_in_every_table(plan_of: Load) -> None:
    """Times, ports, names and switches of any table may come from the environment."""
    text = """
    derive = "${DERIVE:-false}"
    [defaults]
    interval = "${EVERY}"
    [server]
    port = "${MY_PORT:-9100}"
    [probes.p]
    kind = "${KIND:-process}"
    enabled = "${ON:-true}"
    """
    plan = plan_of(text, {"EVERY": "7s"})
    assert [probe.name for probe in plan.probes] == ["p"]
    assert plan.probes[0].interval == 7
    assert plan.server.port == 9100


def test_missing_variable_is_told_with_the_way_out(problems_of: Problems) -> None:
    """Key, line, variable and how to give a default; and nothing else about the same key."""
    assert problems_of('[probes.cache]\nkind = "redis"\nurl = "redis://${HOST}:${NUMBER}"') == [
        'x.toml:3: probes.cache.url: variable HOST is not set; set it, or give a default: "${HOST:-VALUE}"',
        'x.toml:3: probes.cache.url: variable NUMBER is not set; set it, or give a default: "${NUMBER:-VALUE}"',
    ]


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A", "${A:default}", "${A:-${B}}", "${A B}"])
def test_mangled_variable_is_a_problem(problems_of: Problems, text: str) -> None:
    """What looks like a variable and is none is not passed on in silence."""
    (line,) = problems_of(f'[log]\nformat = "{text}"', {"A": "text", "B": "text"})
    assert line == (
        'x.toml:2: log.format: a "${" that begins no ${VAR} or ${VAR:-default}; write "$${" for a plain "${"'
    )


def test_value_of_a_variable_is_never_shown(problems_of: Problems) -> None:
    """An error tells the variable's name and its length; the value may be a secret in the wrong place."""
    text = '[probes.p]\nkind = "http"\nmethod = "${V}"\nurl = "${W}"\n[defaults]\ninterval = "${V} ago"'
    lines = problems_of(text, {"V": "hunter22", "W": "/bad/hunter22"})
    assert lines == [
        'x.toml:3: probes.p.method: found a string of 8 characters from ${V}, expected "GET" or "HEAD"',
        "x.toml:6: defaults.interval: found a string of 12 characters from ${V}, expected a duration from 50ms to 1d "
        'such as "500ms", "5s", "2m"',
    ]
    (line,) = problems_of('[probes.p]\nkind = "http"\nurl = "${W}"', {"W": "/bad/hunter22"})
    assert line == "x.toml:1: probes.p: url [redacted] is bad"


def test_default_of_a_variable_is_shown(problems_of: Problems) -> None:
    """A default stands in the file, so it is shown like any other value."""
    (line,) = problems_of('[log]\nformat = "${FORMAT:-jsonn}"')
    assert line == 'x.toml:2: log.format: found "jsonn", expected "auto", "json" or "text"'
