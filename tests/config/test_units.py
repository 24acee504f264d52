"""Durations and sizes, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.units import parse_duration, parse_size, write_duration, write_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("700ms", 0.7),
        ("0.1s", 0.1),
        ("5s", 5),
        ("2m", 120),
        ("1m30s", 90),
        ("1h", 3600),
        ("0.5h", 1800),
        ("2d", 172800),
        ("0s", 0),
    ],
)
def test_duration_is_read_into_seconds(text: str, seconds: float) -> None:
    """Every unit, decimals and sums are understood, exactly."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "5 s", "-5s", "5 parsecs", "5S", "1.s", ".5s", "1e3s", "\u0665s", "5s\n", "9" * 20 + "s", "infs"],
)
def test_duration_needs_number_and_unit(text: str) -> None:
    """A bare number is no duration, nor is anything that only resembles one."""
    assert parse_duration(text) is None


@given(st.integers(min_value=0, max_value=10**9))
def test_written_duration_reads_back(milliseconds: int) -> None:
    """What is told to people can be copied into the file."""
    assert parse_duration(write_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.05, "50ms"), (1.5, "1.5s"), (90, "90s"), (120, "2m"), (3600, "1h"), (86400, "1d")],
)
def test_duration_is_written_in_its_best_unit(seconds: float, text: str) -> None:
    """People read 2m, not 120000ms."""
    assert write_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("1024", 1024), ("12B", 12), ("512KiB", 524288), ("300 MiB", 314572800), ("2GiB", 1 << 31)],
)
def test_size_is_read_into_bytes(text: str, count: int) -> None:
    """Binary units and plain numbers are understood."""
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "MiB", "1.5GiB", "-1", "300MB", "1mib", "1" * 20])
def test_ambiguous_size_is_none(text: str) -> None:
    """MB means two things, so it means nothing here."""
    assert parse_size(text) is None


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_written_size_reads_back(count: int) -> None:
    """What is told to people can be copied into the file."""
    assert parse_size(write_size(count)) == count
