"""Durations and sizes, as people write them."""

import re

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

_DURATION_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_DURATION = re.compile(f"(?:{_DURATION_PART.pattern}){{1,5}}")
_SIZE = re.compile(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB|TiB|)")


def parse_duration(text: str) -> float | None:
    """Read ``"500ms"``, ``"5s"``, ``"1m30s"``, ``"0.5h"`` or ``"2d"`` into seconds; None if it is none of these."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _MILLISECONDS[unit] for number, unit in _DURATION_PART.findall(text)) / 1000


def parse_size(text: str) -> int | None:
    """Read ``"512KiB"``, ``"300MiB"`` or a plain number into bytes; None if it is neither."""
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _BYTES[match[2]] if match else None


def write_duration(seconds: float) -> str:
    """Write seconds in the unit in which they read best: ``500ms``, ``5s``, ``2m``, ``1h``."""
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    if 0 < seconds < 1:
        return f"{_decimal(seconds * 1000)}ms"
    return f"{_decimal(seconds)}s"


def write_size(count: int) -> str:
    """Write bytes in the largest unit that leaves no remainder."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return f"{count}B"


def _decimal(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")
