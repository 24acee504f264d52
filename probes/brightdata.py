"""BrightData accepts the key, and the zone is active. Asks the free account endpoints only; nothing is billed.

Never calls ``/zone?zone=`` or ``/zone/passwords``, which answer with passwords in clear.
Sources: docs.brightdata.com, "Account management API", "Proxy error catalog", "SERP API error catalog".
"""

import re
import time
from typing import Any

import msgspec
from msgspec import Struct

from sidecar.contract import Evidence, Kind, OnFailure, Outcome, Probe, ProbeFailure, Run, Secret, Setting
from sidecar.exchange import Connection, Reply, Tls, connect, parse_url
from sidecar.exchange.target import is_loopback

_ACTIVE, _ALL = "/zone/get_active_zones", "/zone/get_all_zones"
_RULE = "the key is accepted"
_BODY_AT_MOST = 1024 * 1024
_DETAIL_SHOWN = 120
_ZONES_SHOWN = 10

_CONTROL_PANEL = "https://brightdata.com/cp"
_CATALOG = "https://docs.brightdata.com/proxy-networks/errorCatalog"

_BY_CODE = {
    "client_10000": f"account, zone or password is wrong: compare them with {_CONTROL_PANEL}/zones",
    "client_10001": "the credentials are malformed: copy the key anew into 'token'",
    "client_10002": f"the zone is misspelt, disabled or deleted: compare 'zone' with {_CONTROL_PANEL}/zones",
    "client_10010": "no credentials arrived: set 'token', and see that no proxy strips the Authorization header",
    "client_10020": f"the account is suspended: settle it at {_CONTROL_PANEL}/setting/billing",
    "client_10030": f"this machine's IP address is not allowed: add it at {_CONTROL_PANEL}/setting/users",
    "client_10040": f"the account is not verified: complete {_CONTROL_PANEL}/kyc",
    "client_10050": f"this machine's IP address is on the denylist: remove it at {_CONTROL_PANEL}/zones",
    "client_10100": f"the zone has reached its usage limit: raise it at {_CONTROL_PANEL}/zones",
    "client_10110": f"the account's rate is too high: send less, or verify it at {_CONTROL_PANEL}/account_verification",
    "sr_rate_limit": "requests are throttled because too few succeed: send less to that target",
    "bucket_rate_limit": "the zone's or account's configured rate is reached: send less, or ask BrightData for more",
}
"""What the operator can do, for each code of the catalogs that concerns the account rather than one request."""

_BY_STATUS = {
    401: f"the key is refused: make a new one at {_CONTROL_PANEL}/setting/users and set 'token'",
    402: f"payment is due: see {_CONTROL_PANEL}/setting/billing",
    403: f"the key may not ask this: raise its permissions at {_CONTROL_PANEL}/setting/users",
    404: "no such endpoint: correct 'url'",
    407: "the credentials are refused: copy the key anew into 'token'",
    429: "too many requests: set a longer 'interval'",
}

_CODE = re.compile(r"\b(?:(?:client|policy|peer|target)[_-]\d{5}|(?:sr|bucket)_rate_limit)\b")
_CODE_FIELDS = ("x-brd-err-code", "x-brd-error-code", "proxy-status", "x-brd-error", "x-brd-err-msg")
_TOLD_FIELDS = ("x-brd-err-msg", "x-brd-error")
_RATE_LIMITS = {"client_10110", "sr_rate_limit", "bucket_rate_limit"}

_PAUSE_AT_LEAST, _PAUSE, _PAUSE_AT_MOST = 15.0, 30.0, 300.0
"""Seconds without a request after a 429. BrightData blocks an address for 25 of them within five minutes, until its
support lifts the block (Scraper API error codes): no probe may bring that about."""


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "brightdata"``."""

    token: Secret
    """The API key."""
    zone: str | None = None
    """A zone that must be active."""
    url: str = "https://api.brightdata.com"
    """The base address of the API."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[!-~]+", self.token):
            raise ValueError("token is empty, or has a space, a line break or a character outside ASCII")
        address = parse_url(self.url)
        if address.scheme == "http" and not is_loopback(address.host):
            raise ValueError("url begins with http://, so the token would travel in clear: expected https://")


class Zone(Struct, frozen=True):
    """A zone as the account endpoints list it."""

    name: str
    type: str | None = None
    status: str | None = None


class BrightDataProbe(Probe[Spec]):
    """Remembers until when BrightData wants to be left alone."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._address = parse_url(spec.url.rstrip("/") + _ACTIVE)
        self._tls = Tls()
        self._headers = {
            "Authorization": f"Bearer {spec.token}",
            "Accept": "application/json",
            "User-Agent": setting.user_agent,
        }
        self._pause_until = 0.0

    async def observe(self, run: Run) -> None:
        """Ask for the active zones; for all of them only to say what became of a missing one."""
        pause = self._pause_until - time.monotonic()
        if pause > 0:
            raise ProbeFailure(_RULE, f"a rate limit: asking again in {pause:.0f} s", otherwise=Outcome.WARN)
        async with connect(self._address, run, tls=self._tls) as connection:
            zones = await self._zones(connection, self._address.target)
            run.expect(_RULE, f"{len(zones)} active zones", holds=True)
            run.note("zones", len(zones))
            if self.spec.zone is not None:
                await self._expect_zone(run, connection, self.spec.zone, zones)

    async def _expect_zone(self, run: Run, connection: Connection, wanted: str, zones: list[Zone]) -> None:
        rule = f"zone '{wanted}' is active"
        for zone in zones:
            if zone.name == wanted:
                run.expect(rule, zone.type or "active", holds=True)
                return
        names = [zone.name[:64] for zone in zones]
        more = f" and {len(names) - _ZONES_SHOWN} more" if len(names) > _ZONES_SHOWN else ""
        observed = (", ".join(names[:_ZONES_SHOWN]) or "none") + more
        run.expect(rule, observed + await self._fate(connection, wanted), holds=False, evidence=Evidence.MISCONFIGURED)

    async def _fate(self, connection: Connection, wanted: str) -> str:
        """Say what became of a zone; nothing if that cannot be found out."""
        try:
            zones = await self._zones(connection, self._address.target.removesuffix(_ACTIVE) + _ALL)
        except ProbeFailure:
            return ""
        status = next((zone.status for zone in zones if zone.name == wanted), "unknown to this account")
        return f" ('{wanted}' is {status})"

    async def _zones(self, connection: Connection, target: str) -> list[Zone]:
        reply = await connection.send("GET", target, headers=self._headers, body_limit=_BODY_AT_MOST)
        code = _error_code(reply)
        if reply.status == 429 or code in _RATE_LIMITS:
            self._pause_until = time.monotonic() + _pause(reply)
        if reply.status != 200 or code:
            raise _refusal(reply, code, self.spec.token)
        try:
            return msgspec.json.decode(reply.body, type=list[Zone])
        except (msgspec.DecodeError, RecursionError):
            shown = _told(reply, self.spec.token) or "an empty body"
            raise ProbeFailure("the reply is a list of zones", shown) from None


def _refusal(reply: Reply, code: str | None, token: str) -> ProbeFailure:
    """Say what BrightData refuses, and what to do about it."""
    status, told = reply.status, _told(reply, token)
    name = f"{status} {code}" if code else str(status)
    remedy = _BY_CODE.get(code or "") or _BY_STATUS.get(status)
    if status == 429 or code in _RATE_LIMITS:
        return ProbeFailure(_RULE, f"{name}, {remedy}", otherwise=Outcome.WARN)
    if remedy:
        said = f" (it says: {told})" if told else ""
        return ProbeFailure(_RULE, f"{name}, {remedy}{said}", evidence=Evidence.MISCONFIGURED)
    if code:
        return ProbeFailure(_RULE, f"{name}, {told}: see {_CATALOG}#{code.replace('_', '-')}")
    if status >= 500:
        return ProbeFailure(_RULE, f"{name}, BrightData itself fails: see https://brightdata.com/network-status")
    return ProbeFailure(_RULE, f"{name}, {told or 'with an empty body'}")


def _error_code(reply: Reply) -> str | None:
    """Find BrightData's error code: in a header, or in the body of a reply that is not 200."""
    places = [reply.headers.get(name, "") for name in _CODE_FIELDS]
    if reply.status != 200:
        places.append(reply.body[:4096].decode(errors="replace"))
    found = next(filter(None, map(_CODE.search, places)), None)
    return found[0].replace("-", "_") if found else None


def _told(reply: Reply, token: str) -> str:
    """BrightData's own words, without the key, which they may repeat."""
    text = next(filter(None, map(reply.headers.get, _TOLD_FIELDS)), None) or _body_text(reply)
    text = " ".join(text.replace(token, "***").split())
    return text if len(text) <= _DETAIL_SHOWN else text[:_DETAIL_SHOWN] + "…"


def _body_text(reply: Reply) -> str:
    try:
        body: Any = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        body = None
    said = (body.get("error_message") or body.get("error")) if isinstance(body, dict) else None
    return said if isinstance(said, str) else reply.body[:4096].decode(errors="replace")


def _pause(reply: Reply) -> float:
    """Seconds to keep silent: as asked, within bounds."""
    asked = reply.headers.get("retry-after", "")
    seconds = float(asked) if asked.isdecimal() and len(asked) < 10 else _PAUSE
    return min(max(seconds, _PAUSE_AT_LEAST), _PAUSE_AT_MOST)


KIND = Kind("brightdata", Spec, BrightDataProbe, on_failure=OnFailure.DEGRADE)
