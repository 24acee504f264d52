"""From TOML values to typed ones."""

from collections.abc import Callable
from typing import Any

import pytest

from sidecar.core.plan import Plan

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("key", "toml", "value"),
    [
        ("url", '"/x"', "/x"),
        ("method", '"HEAD"', "HEAD"),
        ("follow", "true", True),
        ("share", "1", 1.0),
        ("share", "0.25", 0.25),
        ("redirects", "10", 10),
        ("limit", '"2KiB"', 2048),
        ("limit", "77", 77),
        ("pause", '"1m"', 60.0),
        ("tools", '["a", "b"]', ("a", "b")),
        ("names", '["a"]', ["a"]),
        ("pair", '["a", 1]', ("a", 1)),
        ("codes", "204", 204),
        ("codes", "[200, 204]", (200, 204)),
        ("body", '"x"', "x"),
        ("body", "{a = 1}", {"a": 1}),
        ("headers", '{Accept = "a/b"}', {"Accept": "a/b"}),
        ("expect", '{a = 1, b = "x", c = true, d = 1.5}', {"a": 1, "b": "x", "c": True, "d": 1.5}),
    ],
)
def test_value_takes_the_type_of_its_key(plan_of: Load, key: str, toml: str, value: Any) -> None:
    """Every type that a kind may declare is read from the TOML form that people expect."""
    found = getattr(plan_of(f'[probes.p]\nkind = "http"\n{key} = {toml}').probes[-1].spec, key)
    assert found == value
    assert type(found) is type(value)


def test_tables_become_structs(plan_of: Load) -> None:
    """Nested tables and lists of tables are read by the types of the kind; a key of any type takes what is there."""
    text = """
    [probes.p]
    kind = "http"
    [probes.p.call]
    tool = "search"
    arguments = {q = "${WHAT}", n = [1, {deep = "${WHAT}"}]}
    [[probes.p.calls]]
    tool = "one"
    [[probes.p.calls]]
    tool = "two"
    """
    spec: Any = plan_of(text, {"WHAT": "pizza"}).probes[-1].spec
    assert spec.call.arguments == {"q": "pizza", "n": [1, {"deep": "pizza"}]}
    assert [call.tool for call in spec.calls] == ["one", "two"]


@pytest.mark.parametrize(
    ("key", "toml", "problem"),
    [
        ("url", "1", "found 1, expected a string"),
        ("url", "1979-05-27", "found a date or time, expected a string"),
        ("method", '"get"', 'found "get", expected "GET" or "HEAD"'),
        ("follow", "1", "found 1, expected true or false"),
        ("follow", '"true"', 'found "true", expected true or false'),
        ("share", "0", "found 0, expected a number above 0 and of at most 1"),
        ("share", "nan", "found nan, expected a number above 0 and of at most 1"),
        ("share", "inf", "found inf, expected a number above 0 and of at most 1"),
        ("share", "9" * 400, "found a number, expected a number above 0 and of at most 1"),
        ("redirects", "true", "found true, expected a whole number from 0 to 10"),
        ("redirects", "1.0", "found 1.0, expected a whole number from 0 to 10"),
        ("redirects", "11", "found 11, expected a whole number from 0 to 10"),
        ("limit", '"2 MB"', 'found "2 MB", expected a size such as "512KiB", "300MiB", "2GiB"'),
        ("limit", "-1", 'found -1, expected a size such as "512KiB", "300MiB", "2GiB"'),
        ("pause", "5", 'found 5, expected a duration such as "500ms", "5s", "2m"'),
        ("pause", '"5 parsecs"', 'found "5 parsecs", expected a duration such as "500ms", "5s", "2m"'),
        ("tools", '"a"', 'found "a", expected a list, each a string'),
        ("tools", "{}", "found a table, expected a list, each a string"),
        ("names", '["a", "b", "c", "d"]', "found a list, expected a list (at most 3 long), each a string (matching ^"),
        ("pair", '["a"]', "found a list of 1, expected a list of 2"),
        ("codes", '"200"', 'found "200", expected a whole number or a list, each a whole number'),
        ("body", "[]", "found a list, expected a string or a table"),
        ("call", '"x"', 'found "x", expected a table'),
        ("call", "{}", ""),
    ],
)
def test_wrong_value_is_told_with_what_was_expected(problems_of: Problems, key: str, toml: str, problem: str) -> None:
    """Found and expected stand side by side, with the line and the whole key."""
    (line,) = problems_of(f'[probes.p]\nkind = "http"\n{key} = {toml}')
    expected = f"x.toml:3: probes.p.{key}: {problem}" if problem else "x.toml:3: probes.p.call.tool: missing: a string"
    assert line.startswith(expected)


def test_wrong_element_is_told_by_its_own_line(problems_of: Problems) -> None:
    """In a list over several lines the element is pointed at, not the list."""
    assert problems_of('[probes.p]\nkind = "http"\ntools = [\n"a",\n2,\n]') == [
        "x.toml:5: probes.p.tools[1]: found 2, expected a string"
    ]


def test_kind_may_refuse_what_its_types_allow(problems_of: Problems) -> None:
    """A ValueError of the kind's own check is a problem of its table, and its text is kept to one line."""
    assert problems_of('[probes.p]\nkind = "http"\nurl = "/bad\\n\\u001b[2J"') == [
        "x.toml:1: probes.p: url /bad\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[2J is bad"
    ]


def test_long_value_is_cut(problems_of: Problems) -> None:
    """A value of any length makes a line of bearable length."""
    (line,) = problems_of(f'[probes.p]\nkind = "http"\nmethod = "{"x" * 5000}"')
    assert len(line) < 200
