"""Errors speak to people: file, line, key, what was found, what was expected; all of them at once."""

from collections.abc import Callable
from typing import Any

import pytest

from sidecar.config import ConfigError, load
from sidecar.contract import Kind
from sidecar.core.errors import SidecarError
from sidecar.core.plan import Plan

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(problems_of: Problems) -> None:
    """One look at the output mends the whole file; what comes from the environment is told last."""
    text = """\
derivee = true
[prob.cache]
[server]
prot = 3
[probes.gateway]
intervall = "5s"
timeout = "5 parsecs"
[probes.cache]
kind = "redis"
[probes.web]
kind = "htpp"
failure_threshold = 0
[drain]
lame_duck = 5
cool_down = "2h"
"""
    assert problems_of(text, {"GATEWAY_PORT": "http"}) == [
        'x.toml:1: derivee: unknown table or key; did you mean "derive"?',
        'x.toml:2: prob: unknown table or key; did you mean "probes"?',
        'x.toml:4: server.prot: unknown key; did you mean "port"?',
        'x.toml:6: probes.gateway.intervall: unknown key; did you mean "interval"?',
        'x.toml:7: probes.gateway.timeout: found "5 parsecs", '
        'expected a duration from 10ms to 1h such as "500ms", "5s", "2m"',
        "x.toml:8: probes.cache.url: missing: a string is needed",
        'x.toml:11: probes.web.kind: unknown kind "htpp"; did you mean "http"?',
        "x.toml:12: probes.web.failure_threshold: found 0, expected a whole number from 1 to 1000",
        'x.toml:14: drain.lame_duck: found 5, expected a duration from 0s to 1h such as "500ms", "5s", "2m"',
        "environment: GATEWAY_PORT: found a string of 4 characters from ${GATEWAY_PORT}, "
        "expected a whole number from 1 to 65535",
    ]


def test_error_holds_its_problems_for_programs(plan_of: Load) -> None:
    """What is printed is also there in parts."""
    with pytest.raises(SidecarError) as caught:
        plan_of('\n[log]\nformat = "xml"')
    assert isinstance(caught.value, ConfigError)
    (problem,) = caught.value.problems
    assert (problem.source, problem.line, problem.key) == ("x.toml", 3, "log.format")
    assert (problem.found, problem.expected) == ('"xml"', '"auto", "json" or "text"')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "interval = 5s",
            "x.toml:1:13: not valid TOML: expected newline or end of document after a statement; text is",
        ),
        ("[a\n", "x.toml:1:3: not valid TOML: expected ']' at the end of a table declaration"),
        ("a = 1\n\na = 2", "x.toml:3:6: not valid TOML: cannot overwrite a value; a key is given only once"),
        ("[log]\n[log]", "x.toml:2:5: not valid TOML: cannot declare ('log',) twice"),
        ('a = "b', "x.toml:1:7: not valid TOML: unterminated string"),
        ("a = '\x00'", "x.toml:1:6: not valid TOML: found invalid character"),
        ("a = " + "9" * 5000, "x.toml: not valid TOML: a number is too long"),
        ("a = " + "[" * 500 + "]" * 500, "x.toml: not valid TOML: a number is too long, or tables and lists are"),
        ("\na" + ".a" * 40 + " = 1", "x.toml:2: a key of more than 32 parts"),
        ("a = " + "[" * 40 + "]" * 40, "x.toml:1: a[0][0]"),
        ("#" * (1 << 20) + "#", "x.toml: found 1048577 characters, expected at most 1048576"),
    ],
)
def test_text_that_is_no_toml_is_told_with_its_place(problems_of: Problems, text: str, problem: str) -> None:
    """Line and column of the parser, with the usual remedy where it is known; sizes and depths are bounded."""
    assert problems_of(text)[0].startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("probes = 1", "x.toml:1: probes: found a number, expected tables [probes.NAME]"),
        ("[probes]\nweb = 1", "x.toml:2: probes.web: found a number, expected a table"),
        ("[[server]]", "x.toml:1: server: found a list, expected a table"),
        ('derive = "yes"', 'x.toml:1: derive: found "yes", expected true or false'),
        ("[probes.web]\nkind = 1", "x.toml:2: probes.web.kind: found 1, expected a string (not empty)"),
        ('[probes.web]\nkind = ""', 'x.toml:2: probes.web.kind: found "", expected a string (not empty)'),
        (
            "derive = false\n[probes.web]",
            'x.toml:2: probes.web: no kind is given; add kind = "http" or another; derive = false derives none',
        ),
        ("derive = false", "x.toml: probes: no probe is left to run; add a table [probes.NAME] with a kind"),
        (
            "[probes.chache]",
            "x.toml:1: probes.chache: no kind is given, which only a derived probe may leave out; "
            'did you mean "cache"?',
        ),
        (
            "[probes.x]",
            "x.toml:1: probes.x: no kind is given, which only a derived probe may leave out; "
            "known are brightdata, cache, database, gateway, mcp, process",
        ),
        (
            '[probes.Web]\nkind = "http"',
            'x.toml:1: probes.Web: found the name "Web", expected a name of at most 64 small letters, digits, - and _, '
            "beginning with a letter or digit",
        ),
        (
            '[probes.cache]\nkind = "redis"\nurl = "redis://h"\non_failure = "drain"',
            'x.toml:4: probes.cache.on_failure: found "drain", expected "unready", "degrade" or "observe", '
            "because a drain mends nothing but the gateway",
        ),
        (
            '[drain]\ncool_down = "2h"',
            'x.toml:2: drain.cool_down: found "2h", expected at most cool_down_max, 1h',
        ),
        ("[drain]\nmax_per_hour = 0", "x.toml:2: drain.max_per_hour: found 0, expected a whole number from 1 to 60"),
        ('[release]\nid = ""', 'x.toml:2: release.id: found "", expected a string (not empty, at most 200 long)'),
    ],
)
def test_what_cannot_be_is_an_error(problems_of: Problems, text: str, problem: str) -> None:
    """A configuration that is well-formed and makes no sense is refused before anything runs."""
    assert problems_of(text) == [problem]


def test_problem_keeps_to_its_line(problems_of: Problems) -> None:
    """Control characters of a key cannot steer a terminal, and a long key is cut."""
    (line,) = problems_of(f'"a\\u001b[2J\\n{"x" * 500}" = 1')
    assert line.startswith('x.toml:1: "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}xx')
    assert len(line) < 200


def test_endless_problems_are_counted(plan_of: Load) -> None:
    """A thousand mistakes are told by the first hundred and a number."""
    with pytest.raises(ConfigError) as caught:
        plan_of("\n".join(f"k{number} = 1" for number in range(1000)))
    assert len(caught.value.problems) == 100
    assert str(caught.value).splitlines()[-1] == "x.toml: and 900 more"


def test_too_many_probes_are_an_error(problems_of: Problems) -> None:
    """A thousand probes are allowed, no more."""
    text = "\n".join(f'[probes.p{number}]\nkind = "process"' for number in range(1001))
    assert problems_of(text) == ["x.toml:1: probes: found 1001 probes, expected at most 1000"]


def test_kind_that_cannot_be_loaded_is_a_problem() -> None:
    """A third party's kind that breaks at its import is told like any other mistake."""

    def load_kind(name: str) -> Kind[Any] | None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    with pytest.raises(ConfigError) as caught:
        load('derive = false\n[probes.x]\nkind = "ldap"', {}, load_kind=load_kind, known_kinds=list, source="x.toml")
    expected = "x.toml:3: probes.x.kind: cannot load kind \"ldap\": ModuleNotFoundError: No module named 'ldap'"
    assert str(caught.value) == expected
