"""Names of documents: words between slashes, whatever letters are in them. Our own few lines: urllib is 0.7 MB."""

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""What stands as it is (RFC 3986, section 2.3)."""


def name_of(*words: str) -> str:
    """Make a name of words."""
    return "/".join(percent(word.encode("utf-8", "surrogatepass")) for word in words)


def word_of(part: str) -> str:
    """Read one word of a name again."""
    first, *escaped = part.split("%")
    rest = b"".join(bytes.fromhex(each[:2]) + each[2:].encode() for each in escaped)
    return (first.encode() + rest).decode("utf-8", "surrogatepass")


def percent(data: bytes) -> str:
    """Write bytes with percent signs for all that is not plain (RFC 3986, section 2.1)."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data)
