"""Whom a URL or an address leads to: the gateway, or somebody else."""

import re

from sidecar.contract import GatewayPlan, Target
from sidecar.exchange.address import Address, parse_place, parse_url


def address_of(url: str, gateway: GatewayPlan) -> Address:
    """Take an absolute URL apart, or complete a path to one on the gateway. Raises ``ValueError``."""
    if not url.startswith("/"):
        return parse_url(url)
    return Address("http", gateway.host.lower(), gateway.port, parse_url(f"http://gateway{url}").target)


def target_of(url: str, gateway: GatewayPlan) -> Target:
    """Whoever asks the gateway's port on this host asks the gateway, by whatever name."""
    return target_at(address_of(url, gateway), gateway)


def place_of(address: str | None, port: int | None, gateway: GatewayPlan) -> Address:
    """Read ``host:port``, or complete a port to a place on the gateway's host; the gateway's own port without either.

    Raises ``ValueError``.
    """
    if address is None:
        return Address("tcp", gateway.host.lower(), port or gateway.port, "")
    if port is not None:
        raise ValueError(
            "both address and port are given: port is for the gateway's host, and stands in place of address"
        )
    return parse_place(address)


def target_at(address: Address, gateway: GatewayPlan) -> Target:
    """Tell whom an address leads to; see ``target_of``."""
    is_here = address.host == gateway.host.lower() or is_loopback(address.host)
    return Target.GATEWAY if is_here and address.port == gateway.port else Target.UPSTREAM


def is_loopback(host: str) -> bool:
    """Tell whether what is sent to this host stays on this machine."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
