"""DNS messages (RFC 1035, 4): a question out, an answer in. Everything that comes in is bounded by its own length."""

import struct
from socket import AF_INET, AF_INET6, inet_ntop

from msgspec import Struct

TYPES = {"A": 1, "AAAA": 28, "CNAME": 5, "TXT": 16}
NO_ERROR, NAME_ERROR = 0, 3

_RESPONSE, _OPCODE, _TRUNCATED, _RCODE = 0x8000, 0x7800, 0x0200, 0x000F
_RECURSION_DESIRED = 0x0100
_INTERNET = 1
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_NAME_AT_MOST = 255


class Answer(Struct, frozen=True):
    """What a server says."""

    rcode: int
    truncated: bool
    """The rest did not fit into a datagram: ask again over TCP."""
    values: tuple[str, ...]
    """Of the records that were asked for: addresses, the other name, or texts."""
    ttl: int | None
    """Seconds for which all of them may be kept; None without any."""


def check_name(name: str) -> None:
    """Raise ``ValueError`` for what is no name (RFC 1035, 2.3.4), in punycode where it is not ASCII."""
    labels = name.removesuffix(".").split(".")
    if not name.isascii() or len(name) > 253 or not all(1 <= len(label) <= 63 for label in labels):
        raise ValueError(f"name is {name!r}: expected parts of 1 to 63 ASCII characters, 253 in all, joined by dots")


def write_question(number: int, name: str, kind: str) -> bytes:
    """Ask for one kind of record, and for recursion."""
    labels = name.removesuffix(".").encode().split(b".")
    encoded = b"".join(bytes([len(label)]) + label for label in labels)
    header = _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + encoded + b"\0" + struct.pack("!HH", TYPES[kind], _INTERNET)


def read_answer(message: bytes, question: bytes) -> Answer | None:
    """Read the answer to a question; None for a message that is none, be it late, forged or about something else.

    Raises ``ValueError`` for an answer that breaks off or contradicts itself.
    """
    if len(message) < _HEADER.size:
        return None
    number, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
    rcode, truncated = flags & _RCODE, bool(flags & _TRUNCATED)
    if number != int.from_bytes(question[:2], "big") or flags & (_RESPONSE | _OPCODE) != _RESPONSE:
        return None
    repeated = message[_HEADER.size : len(question)].lower() == question[_HEADER.size :].lower()
    if not (questions == 1 and repeated) and (questions or rcode == NO_ERROR):  # whoever refuses need not repeat it
        return None
    if truncated or rcode != NO_ERROR:
        return Answer(rcode, truncated, (), None)
    try:
        found = _read_records(message, len(question), answers, int.from_bytes(question[-4:-2], "big"))
    except (struct.error, IndexError) as error:
        raise ValueError("the message breaks off") from error
    return Answer(rcode, truncated, tuple(value for value, _ in found), min((ttl for _, ttl in found), default=None))


def _read_records(message: bytes, at: int, count: int, kind: int) -> list[tuple[str, int]]:
    """Gather the values of one kind, each with the seconds for which it may be kept."""
    found = []
    for _ in range(count):
        _, at = _read_name(message, at)
        type_, category, ttl, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if at + length > len(message):
            raise ValueError("a record is longer than the message")
        if (type_, category) == (kind, _INTERNET):
            found.append((_read_value(message, at, length, kind), ttl))
        at += length
    return found


def _read_value(message: bytes, at: int, length: int, kind: int) -> str:
    data = message[at : at + length]
    if kind == TYPES["CNAME"]:
        return _read_name(message, at)[0]
    if kind == TYPES["TXT"]:
        return _read_text(data)
    return inet_ntop(AF_INET if kind == TYPES["A"] else AF_INET6, data)


def _read_text(data: bytes) -> str:
    """Join the pieces of up to 255 bytes that a text is cut into."""
    text, at = b"", 0
    while at < len(data):
        text += data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
    return text.decode(errors="replace")


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """Read a name, following the pointers that compress it (4.1.4); returns where it ends as well."""
    labels: list[str] = []
    end, spent = None, 0
    while length := message[at]:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | message[at + 1]
            if target >= at:
                raise ValueError("a pointer does not lead back")
            end, at = end or at + 2, target
            continue
        spent += length + 1
        if length > 63 or spent > _NAME_AT_MOST:
            raise ValueError("a name is too long")
        labels.append(message[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels), end or at + 1
