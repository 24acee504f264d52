"""Where a request goes."""

import re
from socket import AF_INET, AF_INET6, inet_pton

from msgspec import Struct

_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]{1,253})|\[(?P<literal>[^\]]+)\])(?::(?P<port>[0-9]{1,5}))?")
"""RFC 3986, 3; names also with an underscore, which container networks give."""
_LENGTH_AT_MOST = 8192


class Address(Struct, frozen=True):
    """A place that requests can be sent to."""

    scheme: str
    """``http`` or ``https``; ``tcp`` where something else is spoken."""
    host: str
    """A name or a literal address, an IPv6 one without brackets; lower case."""
    port: int
    target: str
    """Path and query: what stands in the request line."""

    @property
    def where(self) -> str:
        """Host and port, as reasons show them."""
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of the ``Host`` field: the port only where it is not the scheme's own (RFC 9110, 7.2)."""
        return bracketed(self.host) if _PORTS[self.scheme] == self.port else self.where

    @property
    def origin(self) -> str:
        """Scheme, host and port: two URLs of the same origin belong to the same party."""
        return f"{self.scheme}://{self.where}"


def parse_url(url: str) -> Address:
    """Take an absolute URL apart; the fragment, which is never sent, is dropped.

    The ``ValueError`` says what is wrong without repeating the URL, whose query may hold a token.
    """
    if len(url) > _LENGTH_AT_MOST:
        raise ValueError(f"the URL is {len(url)} characters long: expected at most {_LENGTH_AT_MOST}")
    if not url.isascii():
        raise ValueError("the URL has characters outside ASCII: write the path percent-encoded, the host in punycode")
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("the URL has a space or a control character in it")
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in _PORTS:
        raise ValueError("the URL begins with neither http:// nor https://")
    authority, *target = re.split(r"(?=[/?])", rest.partition("#")[0], maxsplit=1)
    if "@" in authority:
        raise ValueError("the URL holds credentials: send them as a header instead")
    host, port = _host_and_port(authority, _PORTS[scheme])
    path = "".join(target)
    return Address(scheme, host, port, path if path.startswith("/") else "/" + path)


def parse_place(text: str, port: int = 0) -> Address:
    """Take ``host:port`` apart: a place where something other than HTTP is spoken.

    ``port`` stands in where none is given; with 0 it has to be. The ``ValueError`` does not repeat the text.
    """
    try:
        host, port = _host_and_port(text, port)
    except ValueError:
        forms = "host:port, or [address]:port for IPv6, with a port from 1 to 65535"
        raise ValueError(f"the address cannot be read: expected {forms}") from None
    return Address("tcp", host, port, "")


def literal_family(host: str) -> int | None:
    """Tell the address family of a literal address; None for a name."""
    for family in (AF_INET, AF_INET6):
        try:
            inet_pton(family, host)
        except OSError:
            continue
        return family
    return None


def bracketed(host: str) -> str:
    """Write a host as URLs do: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError("what follows :// is no host with an optional port")
    host, port = match["name"] or match["literal"], int(match["port"] or default)
    if match["literal"] and literal_family(host) != AF_INET6:
        raise ValueError(f"no IPv6 address stands in the brackets: found {host!r}")
    if not 0 < port < 65536:
        raise ValueError(f"the URL's port is {port}: expected 1 to 65535")
    return host.lower(), port
