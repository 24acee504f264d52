"""Pages of metrics: what Prometheus's own library writes is read as it reads it, and whatever else is survived."""

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from sidecar.traffic.exposition import LINE_AT_MOST, SERIES_AT_MOST, read_series

NAMES = {"seconds_bucket", "made_total", "level"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def read(page, *names):
    """All series of these names."""
    return list(read_series(page, names or NAMES))


def comparable(series):
    """Names, labels and values in an order that does not depend on the page."""
    return sorted((each.name, sorted(each.labels.items()), each.value) for each in series if each.name in NAMES)


@st.composite
def registries(draw):
    """Metrics of three sorts, some with labels of any text."""
    registry = CollectorRegistry()
    latency = Histogram("seconds", "Any\ntext \\ here.", ["route"], registry=registry)
    made = Counter("made", "Requests.", ["route", "status"], registry=registry)
    level = Gauge("level", "No labels.", registry=registry)
    for route, status in draw(st.lists(st.tuples(TEXTS, TEXTS), max_size=5)):
        latency.labels(route).observe(draw(st.floats(0, 20)), {"trace": "a}b,c"})
        made.labels(route, status).inc(draw(st.integers(0, 10**15)), {"trace": '"'})
    level.set(draw(st.floats(0, 1e15)))
    return registry


@given(registries())
def test_it_reads_what_the_library_reads(registry):
    """Labels of any text, escapes and all."""
    page = generate_latest(registry)
    families = text_string_to_metric_families(page.decode())
    assert comparable(read(page)) == comparable(sample for family in families for sample in family.samples)


@given(registries())
def test_openmetrics_says_the_same(registry):
    """Exemplars, which may hold any text too, and the end mark are passed over."""
    assert comparable(read(generate_openmetrics(registry))) == comparable(read(generate_latest(registry)))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"level 3", [3.0]),
        (b"  level\t3  ", [3.0]),
        (b"level 3 1700000000000", [3.0]),
        (b"level{} 3", [3.0]),
        (b"level{ } 3\r", [3.0]),
        (b'level{a="1"}3', [3.0]),
        (b'level{ a = "1" , b="}", } 3', [3.0]),
        (b'level{a="1"} 3 # {trace="x"} 0.5', [3.0]),
        (b"level 1e3", [1000.0]),
        (b"level NaN", []),
        (b"level +Inf", []),
        (b"level -1", []),
        (b"level 1e300", []),
        (b"level three", []),
        (b"level", []),
        (b"level{a=1} 3", []),
        (b'level{a="1} 3', []),
        (b'level{a="1"', []),
        (b"levels 3", []),
        (b"# level 3", []),
        (b"the level 3", []),
        (b"level 3\nlevel 4", [3.0]),
        (b'level{a="1",b="2"} 3\nlevel{b="2",a="1"} 4', [3.0]),
        (b"\xff\xfe\x00\nlevel 3", [3.0]),
        (b'level{a="\xff"} 3', [3.0]),
        (b'level{a="' + b"x" * LINE_AT_MOST + b'"} 3\nlevel 4', [4.0]),
        (b"", []),
    ],
)
def test_a_line_is_read_or_passed_over(line, found):
    """What is written otherwise, is no count, or stands there twice, harms nothing else on the page."""
    assert [series.value for series in read(line + b"\n")] == found


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(garbage):
    """Whatever stands on the page before and behind."""
    read(garbage)
    assert read(b"made_total 3\n" + garbage)[0].value == 3
    assert [series.value for series in read(garbage.replace(b"level", b"") + b"\nlevel 5")][-1:] == [5]


def test_a_name_is_no_pattern():
    """It is taken as it is written."""
    assert read(b"level 3\n", "lev.l", ".*") == []
    assert re.match("lev.l", "level")


def test_the_number_of_series_is_bounded():
    """Those of other names do not count."""
    others = b"".join(b'other{a="%d"} 1\n' % number for number in range(SERIES_AT_MOST + 1))
    page = b"".join(b'level{a="%d"} 1\n' % number for number in range(SERIES_AT_MOST + 1))
    assert len(list(islice(read_series(others + page, {"level"}), SERIES_AT_MOST))) == SERIES_AT_MOST
    with pytest.raises(ValueError, match="more than 10000 series of level"):
        read(page, "level")
