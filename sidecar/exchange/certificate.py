"""What stands in a certificate: as much of X.509 (RFC 5280, 4.1) as tells who issued it and how long it is valid.

``ssl`` takes a certificate apart only after it has found it trustworthy; those that it refuses need reading most.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from msgspec import Struct

_EXPLICIT_VERSION, _UTC_TIME, _BMP_STRING = 0xA0, 0x17, 0x1E
_COMMON_NAME, _ORGANISATION = b"\x55\x04\x03", b"\x55\x04\x0a"
"""Object identifiers 2.5.4.3 and 2.5.4.10, encoded."""


class Certificate(Struct, frozen=True):
    """A certificate's issuer and validity; Unix times."""

    issuer: str
    """Organisation and common name, as far as they are given."""
    not_before: float
    not_after: float


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate in DER. Raises ``ValueError`` for what is none."""
    try:
        (_, certificate), *_ = _elements(der)
        (_, signed), *_ = _elements(certificate)
        parts = _elements(signed)
        tag, _ = next(parts)
        if tag == _EXPLICIT_VERSION:
            next(parts)  # the serial number
        (_, issuer), (_, validity) = islice(parts, 1, 3)
        not_before, not_after = (_moment(tag, content) for tag, content in _elements(validity))
        return Certificate(_name(issuer), not_before, not_after)
    except (IndexError, StopIteration) as error:
        raise ValueError("it ends too early") from error


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut a sequence into tags and contents (X.690, 8.1)."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            octets = length & 0x7F
            length, at = int.from_bytes(data[at : at + octets], "big"), at + octets
        if at + length > len(data):
            raise ValueError("an element is longer than what holds it")
        yield tag, data[at : at + length]
        at += length


def _name(issuer: bytes) -> str:
    """Put organisation and common name side by side, such as ``Let's Encrypt, R11``."""
    found = {}
    for _, names in _elements(issuer):
        for _, pair in _elements(names):
            (_, kind), (tag, value) = islice(_elements(pair), 2)
            found[kind] = value.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace")
    return ", ".join(found[kind] for kind in (_ORGANISATION, _COMMON_NAME) if kind in found)


def _moment(tag: int, content: bytes) -> float:
    """Read ``YYMMDDHHMMSSZ`` or ``YYYYMMDDHHMMSSZ``; two digits mean 1950 to 2049 (RFC 5280, 4.1.2.5)."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = f"{19 if text[:2] >= '50' else 20}{text}"
    if len(text) != 15 or not text.endswith("Z"):
        raise ValueError("a time is not written as RFC 5280 demands")
    month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(4, 14, 2))
    return datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=UTC).timestamp()
