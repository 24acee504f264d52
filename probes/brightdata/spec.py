"""The keys of the kind."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sidecar.contract import Secret
from sidecar.exchange import parse_url
from sidecar.exchange.target import is_loopback

_NEEDED = {
    "free": ("token",),
    "request": ("token", "zone"),
    "proxy": ("customer", "zone", "password"),
}
"""Without these keys a mode is impossible."""

_TEST_URLS = {
    "request": "https://geo.brdtest.com/welcome.txt?product=unlocker&method=api",
    "proxy": "https://geo.brdtest.com/mygeo.json",
}
"""BrightData's own pages, which nobody blocks."""

_VISIBLE = re.compile(r"[!-~]+")


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "brightdata"``."""

    mode: Literal["free", "request", "proxy"] = "free"
    """``free``: the account accepts the key, and the zone is active. ``request``: a page arrives through the API, whole
    way; each look is billed. ``proxy``: a page arrives through the proxy; its traffic is billed."""
    token: Secret | None = None
    """The API key; needed unless the mode is ``proxy``."""
    zone: str | None = None
    """A zone that must be active; needed unless the mode is ``free``."""
    url: str = "https://api.brightdata.com"
    """The base address of the API."""
    test_url: str | None = None
    """The page to fetch in the modes ``request`` and ``proxy``; BrightData's own test page when not given."""
    budget: Annotated[int, Meta(ge=1, le=100_000)] = 50
    """So many looks within a day of UTC are paid for, in the modes ``request`` and ``proxy``; the verdict on further
    ones is unknown. An interval of 30 minutes takes 48. It is kept across restarts in the store (``[state]``), by each
    replica for itself."""
    customer: str | None = None
    """The account's id, as in the proxy's user name: ``hl_1a2b3c4d`` of ``brd-customer-hl_1a2b3c4d-zone-...``."""
    password: Secret | None = None
    """The zone's password for the proxy. BrightData's proxy takes it in clear, as it takes everything but what is
    within the tunnel."""
    proxy_host: Annotated[str, Meta(min_length=1)] = "brd.superproxy.io"
    """Where the proxy is."""
    proxy_port: Annotated[int, Meta(ge=1, le=65535)] = 44445
    """The certificates of the ports 22225 and 33335 have expired."""
    tls_ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's. Zones in which BrightData reads the traffic, as Web
    Unlocker does, need the root certificate that BrightData offers for the proxy's port."""

    def __post_init__(self) -> None:
        for name in _NEEDED[self.mode]:
            if getattr(self, name) is None:
                raise ValueError(f'{name} is missing: mode = "{self.mode}" needs {_list(_NEEDED[self.mode])}')
        for name in ("token", "zone", "customer", "password"):
            value = getattr(self, name)
            if value is not None and not _VISIBLE.fullmatch(value):
                raise ValueError(f"{name} is empty, or has a space, a line break or a character outside ASCII")
        if self.customer is not None and not re.fullmatch(r"(?!brd-)\w+", self.customer):
            raise ValueError("customer is not the bare id: expected what stands between brd-customer- and -zone-")
        self._check_urls()

    def _check_urls(self) -> None:
        address = parse_url(self.url)
        if address.scheme == "http" and not is_loopback(address.host):
            raise ValueError("url begins with http://, so the token would travel in clear: expected https://")
        if parse_url(self.page).scheme == "http" and self.mode == "proxy":
            raise ValueError("test_url begins with http://, so there would be no tunnel to it: expected https://")
        parse_url(f"http://{self.proxy_host}:{self.proxy_port}")

    @property
    def page(self) -> str:
        """The page to fetch."""
        return self.test_url or _TEST_URLS.get(self.mode, _TEST_URLS["request"])


def _list(names: tuple[str, ...]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
