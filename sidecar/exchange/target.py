"""Whom a URL leads to: the gateway, or somebody else."""

import re

from sidecar.contract import GatewayPlan, Target
from sidecar.exchange.address import Address, parse_url


def address_of(url: str, gateway: GatewayPlan) -> Address:
    """Take an absolute URL apart, or complete a path to one on the gateway. Raises ``ValueError``."""
    if not url.startswith("/"):
        return parse_url(url)
    return Address("http", gateway.host.lower(), gateway.port, parse_url(f"http://gateway{url}").target)


def target_of(url: str, gateway: GatewayPlan) -> Target:
    """Whoever asks the gateway's port on this host asks the gateway, by whatever name."""
    address = address_of(url, gateway)
    is_here = address.host == gateway.host.lower() or is_loopback(address.host)
    return Target.GATEWAY if is_here and address.port == gateway.port else Target.UPSTREAM


def is_loopback(host: str) -> bool:
    """Tell whether what is sent to this host stays on this machine."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
