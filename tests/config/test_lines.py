"""On which line a key stands."""

from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.lines import Path, line_numbers, nearest_line

DOCUMENT = '''\
# a comment with "quotes" and [brackets]
a = 1 # x ] "
b.c = [1,
  2, # , ]
  {x = 1,
   y.z = """
 = ] """"},
]
[probes.gw]   # [no.header]
"k.\\u0041" = 'x ="'
3.14 = 3.14
d = 1979-05-27 07:32:00

[[t]]
q = 1
[t.u]
v = 2
[[t]]
q = {}
w = [ ]
[t.u]
'v' = [[], [[1],
[2]]]
s = \'\'\'
it''s = "here"
\'\'\'
e = "\\\\"
[last]'''

LINES = {
    ("a",): 2,
    ("b",): 3,
    ("b", "c"): 3,
    ("b", "c", 0): 3,
    ("b", "c", 1): 4,
    ("b", "c", 2): 5,
    ("b", "c", 2, "x"): 5,
    ("b", "c", 2, "y"): 6,
    ("b", "c", 2, "y", "z"): 6,
    ("probes",): 9,
    ("probes", "gw"): 9,
    ("probes", "gw", "k.A"): 10,
    ("probes", "gw", "3"): 11,
    ("probes", "gw", "3", "14"): 11,
    ("probes", "gw", "d"): 12,
    ("t",): 14,
    ("t", 0): 14,
    ("t", 0, "q"): 15,
    ("t", 0, "u"): 16,
    ("t", 0, "u", "v"): 17,
    ("t", 1): 18,
    ("t", 1, "q"): 19,
    ("t", 1, "w"): 20,
    ("t", 1, "u"): 21,
    ("t", 1, "u", "v"): 22,
    ("t", 1, "u", "v", 0): 22,
    ("t", 1, "u", "v", 1): 22,
    ("t", 1, "u", "v", 1, 0): 22,
    ("t", 1, "u", "v", 1, 0, 0): 22,
    ("t", 1, "u", "v", 1, 1): 23,
    ("t", 1, "u", "v", 1, 1, 0): 23,
    ("t", 1, "u", "s"): 24,
    ("t", 1, "u", "e"): 27,
    ("last",): 28,
}


def _paths(value: Any, path: Path = ()) -> list[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return ([path] if path else []) + [found for key, item in items for found in _paths(item, (*path, key))]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_form_of_key_has_its_line(ending: str) -> None:
    """Headers, arrays of tables, dotted and quoted keys, inline tables and lists over several lines are all found."""
    text = DOCUMENT.replace("\n", ending)
    assert line_numbers(text, _paths(tomli.loads(text))) == LINES


def test_unknown_path_has_the_line_of_what_is_around_it() -> None:
    """A missing key is reported where its table begins."""
    lines = line_numbers("\n[a]\nb = 1\n", [("a", "gone"), ("gone",)])
    assert nearest_line(lines, ("a", "gone")) == 2
    assert nearest_line(lines, ("gone",)) is None


TEXTS = st.text(max_size=5) | st.text(alphabet="\"\\'#=[]{},", max_size=9)
KEYS = TEXTS.filter(bool)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(0, 9) | TEXTS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in text) + '"'


def _write(value: Any) -> str:
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{_quoted(key)} = {_write(item)}" for key, item in value.items()) + "\n}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(_write(item) for item in value) + "\n]"
    if isinstance(value, str):
        return f'"""\n{_quoted(value)[1:-1]}"""' if len(value) > 3 else _quoted(value)
    return str(value).lower()


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_line_of_any_key_is_the_line_that_holds_it(document: dict[str, Any]) -> None:
    """Whatever the document: every path is found, on a line that begins with its key, or holds its element."""
    text = "\n".join(f"{_quoted(key)} = {_write(value)}" for key, value in document.items())
    assert tomli.loads(text) == document
    paths = _paths(document)
    lines = line_numbers(text, paths)
    assert set(lines) == set(paths)
    rows = text.split("\n")
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert rows[line - 1].startswith(f"{_quoted(path[-1])} = ")
