"""One small bounded HTTP/1.1 exchange, shared by every kind of probe that speaks HTTP.

A connection lives within one execution of a probe: fresh, used for one or several exchanges, closed. Everything the
other side sends is bounded; how long it may take is the caller's to say, by cancelling. Whatever goes wrong is raised
as ``ProbeFailure``, worded for people. The parts are timed into the ``Run``, as far as they occur: ``setup`` (of TLS,
once), ``dns``, ``connect``, ``tunnel`` (through a proxy), ``tls``, ``first_byte``, ``body``.
"""

from sidecar.exchange.address import Address, parse_url
from sidecar.exchange.connection import Connection, check_header, connect, exchange
from sidecar.exchange.reply import BODY_LIMIT, Reply
from sidecar.exchange.target import address_of, target_of
from sidecar.exchange.tls import Tls
from sidecar.exchange.tunnel import Proxy, TunnelRefused

__all__ = [
    "BODY_LIMIT",
    "Address",
    "Connection",
    "Proxy",
    "Reply",
    "Tls",
    "TunnelRefused",
    "address_of",
    "check_header",
    "connect",
    "exchange",
    "parse_url",
    "target_of",
]
