"""Who may see details: the holder of the token, and whoever sits on this machine."""

import socket

_LOOPBACK_NAMES = (b"localhost", b"[::1]")


def bearer_token(authorization: bytes) -> bytes:
    """Take the token out of an Authorization header field (RFC 6750, section 2.1); empty if there is none."""
    scheme, _, credential = authorization.partition(b" ")
    return credential.strip(b" ") if scheme.lower() == b"bearer" else b""


def shows_token(authorization: bytes, token: str | None) -> bool:
    """Tell whether an Authorization header field shows the bearer token."""
    shown = bearer_token(authorization)
    if token is None or not shown:
        return False
    from hmac import compare_digest  # noqa: PLC0415 - 0.5 MB that nobody without a token needs

    return compare_digest(shown, token.encode("utf-8", "surrogateescape"))


def names_loopback(host: bytes) -> bool:
    """Tell whether a Host header field names this machine's loopback: ``localhost``, 127.0.0.0/8 or ``[::1]``.

    A page in a browser on this machine reaches the loopback too, under a name of its own that was made to resolve to it
    (DNS rebinding); the name gives it away.
    """
    name, colon, port = host.lower().rpartition(b":")
    if not colon or not (port.isdigit() or not port):
        name = host.lower()
    return name in _LOOPBACK_NAMES or _is_loopback_ipv4(name.decode("latin-1"))


def is_loopback(address: str) -> bool:
    """Tell whether a peer's address is loopback, in IPv4, IPv6, or IPv4 written as IPv6."""
    address = address.removeprefix("::ffff:")
    return address == "::1" or _is_loopback_ipv4(address)


def _is_loopback_ipv4(address: str) -> bool:
    try:
        return socket.inet_pton(socket.AF_INET, address)[0] == 127
    except (OSError, ValueError):
        return False
