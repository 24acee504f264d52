"""Proxies that open a tunnel to wherever they are asked to (RFC 9110, 9.3.6)."""

from collections.abc import Mapping

from msgspec import Struct

from sidecar.contract import ProbeFailure
from sidecar.exchange.address import Address
from sidecar.exchange.reply import Reply


class Proxy(Struct, frozen=True):
    """A proxy, spoken to in plain HTTP; what goes through the tunnel is for the two ends alone."""

    address: Address
    headers: Mapping[str, str] = {}
    """What the proxy gets to read, and nobody behind it, such as ``Proxy-Authorization``."""


class TunnelRefused(ProbeFailure):
    """The proxy has answered, but opens no tunnel."""

    def __init__(self, proxy: Proxy, target: Address, reply: Reply) -> None:
        super().__init__(f"{proxy.address.where} opens a tunnel to {target.where}", f"{reply.status} {reply.reason}")
        self.reply = reply
        """Its head; the body is not waited for."""
