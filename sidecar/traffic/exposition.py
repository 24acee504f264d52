"""Prometheus's text format, as far as it is of use here: the series of a few names, on a page of any length.

What is read are lines such as ``http_requests_total{status="200"} 1027``. Passed over are time stamps and exemplars
behind the value, comments, other series, and lines that are not written as they should be.
"""

import re
from collections.abc import Collection, Iterator
from io import BytesIO
from typing import NamedTuple

SERIES_AT_MOST = 10_000
LINE_AT_MOST = 16 * 1024
VALUE_AT_MOST = 2.0**53
"""Beyond it a float does not count single requests any more."""

_LABEL = r'([A-Za-z_]\w*+)[ \t]*+=[ \t]*+"((?:[^"\\]|\\.)*+)"'
_LABELS = re.sub(r"\((?!\?)", "(?:", _LABEL)
_LINE = rf"[ \t]*+(%s)(?:[ \t]*+\{{((?:[ \t]*+{_LABELS}[ \t]*+,?+)*+[ \t]*+)\}}[ \t]*+|[ \t]++)(\S++)"
_ESCAPED = re.compile(r"\\(.)")


class Series(NamedTuple):
    """One series and its value when the page was written."""

    name: str
    labels: dict[str, str]
    value: float


def read_series(page: bytes, names: Collection[str]) -> Iterator[Series]:
    """Give the series of these names whose values are counts: finite, not negative, below ``VALUE_AT_MOST``.

    Of a series that stands there twice the first is given. Raises ``ValueError`` for more than ``SERIES_AT_MOST``.
    """
    beginnings = tuple(name.encode() for name in names)
    pattern = re.compile(_LINE % "|".join(re.escape(name) for name in names), re.ASCII)
    seen: set[int] = set()
    for line in BytesIO(page):
        if not line.lstrip(b" \t").startswith(beginnings) or len(line) > LINE_AT_MOST:
            continue
        match = pattern.match(line.decode(errors="replace"))
        value = None if match is None else _read(match[3])
        if match is None or value is None:
            continue
        labels = _read_labels(match[2] or "")
        identity = hash((match[1], frozenset(labels.items())))
        if identity in seen:
            continue
        if len(seen) == SERIES_AT_MOST:
            raise ValueError(f"more than {SERIES_AT_MOST} series of {', '.join(sorted(names))}")
        seen.add(identity)
        yield Series(match[1], labels, value)


def _read_labels(text: str) -> dict[str, str]:
    pairs = re.findall(_LABEL, text, re.ASCII)
    return {name: _ESCAPED.sub(_unescape, value) if "\\" in value else value for name, value in pairs}


def _unescape(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]


def _read(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < VALUE_AT_MOST else None
