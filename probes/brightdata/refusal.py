"""What BrightData refuses, and what the operator can do about it."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from sidecar.contract import Evidence, Outcome, ProbeFailure
from sidecar.exchange import Reply

_CONTROL_PANEL = "https://brightdata.com/cp"
_CATALOG = "https://docs.brightdata.com/proxy-networks/errorCatalog"
_DETAIL_SHOWN = 120

_BY_CODE = {
    "client_10000": f"account, zone or password is wrong: compare them with {_CONTROL_PANEL}/zones",
    "client_10001": "the credentials are malformed: copy them anew into {key}",
    "client_10002": f"the zone is misspelt, disabled or deleted: compare 'zone' with {_CONTROL_PANEL}/zones",
    "client_10010": "no credentials arrived: set {key}, and see that nobody in between strips the header",
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

API_STATUSES = {
    401: f"the key is refused: make a new one at {_CONTROL_PANEL}/setting/users and set 'token'",
    402: f"payment is due: see {_CONTROL_PANEL}/setting/billing",
    403: f"the key may not ask this: raise its permissions at {_CONTROL_PANEL}/setting/users",
    404: "no such endpoint: correct 'url'",
    407: "the credentials are refused: copy them anew into {key}",
    429: "too many requests: set a longer 'interval'",
}
"""What a status of the API means by itself."""

PROXY_STATUSES = dict.fromkeys((401, 407), API_STATUSES[407]) | {429: API_STATUSES[429]}
"""What a status of the proxy means by itself, when it opens no tunnel."""

_CODE = re.compile(r"\b(?:(?:client|policy|peer|target)[_-]\d{5}|(?:sr|bucket)_rate_limit)\b")
_CODE_FIELDS = ("x-brd-err-code", "x-brd-error-code", "proxy-status", "x-brd-error", "x-brd-err-msg")
_TOLD_FIELDS = ("x-brd-err-msg", "x-brd-error")
_RATE_LIMITS = {"client_10110", "sr_rate_limit", "bucket_rate_limit"}

_PAUSE_AT_LEAST, _PAUSE, _PAUSE_AT_MOST = 15.0, 30.0, 300.0
"""Seconds without a request after a 429. BrightData blocks an address for 25 of them within five minutes, until its
support lifts the block (Scraper API error codes): no probe may bring that about. Nor are credentials that were refused
with 407 to be tried again and again: they cost the longest pause."""


class Refused(ProbeFailure):
    """BrightData refuses."""

    pause = 0.0
    """Seconds for which it is not to be asked again."""


def refused(
    reply: Reply, rule: str, *, statuses: Mapping[int, str], key: str, secrets: Collection[str], status: str = ""
) -> Refused:
    """Say what BrightData refuses, and what to do about it.

    ``rule`` is what would have held otherwise, ``statuses`` what a status means by itself, ``key`` the settings with
    the credentials, ``secrets`` what BrightData's words may repeat, and ``status`` the one that counts instead of the
    reply's own.
    """
    code, words = error_code(reply), told(reply, secrets)
    status = status or str(reply.status)
    name = f"{status} {code}" if code else status
    remedy = (_BY_CODE.get(code or "") or statuses.get(reply.status, "")).format(key=key)
    is_limit = status == "429" or code in _RATE_LIMITS
    if is_limit:
        refusal = Refused(rule, f"{name}, {remedy}", otherwise=Outcome.WARN)
    elif remedy:
        said = f" (it says: {words})" if words else ""
        refusal = Refused(rule, f"{name}, {remedy}{said}", evidence=Evidence.MISCONFIGURED)
    elif code:
        refusal = Refused(rule, f"{name}, {words}: see {_CATALOG}#{code.replace('_', '-')}")
    elif reply.status >= 500:
        refusal = Refused(rule, f"{name}, BrightData itself fails: see https://brightdata.com/network-status")
    else:
        refusal = Refused(rule, f"{name}, {words or 'with an empty body'}")
    refusal.pause = pause(reply) if is_limit else _PAUSE_AT_MOST if status == "407" else 0.0
    return refusal


def error_code(reply: Reply) -> str | None:
    """Find BrightData's error code: in a header, or in the body of a reply that is not 200."""
    places = [reply.headers.get(name, "") for name in _CODE_FIELDS]
    if reply.status != 200:
        places.append(reply.body[:4096].decode(errors="replace"))
    found = next(filter(None, map(_CODE.search, places)), None)
    return found[0].replace("-", "_") if found else None


def told(reply: Reply, secrets: Collection[str]) -> str:
    """Repeat BrightData's own words, but no secret."""
    text = next(filter(None, map(reply.headers.get, _TOLD_FIELDS)), None) or _body_text(reply)
    for secret in secrets:
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _DETAIL_SHOWN else text[:_DETAIL_SHOWN] + "…"


def _body_text(reply: Reply) -> str:
    try:
        body: Any = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        body = None
    said = (body.get("error_message") or body.get("error")) if isinstance(body, dict) else None
    return said if isinstance(said, str) else reply.body[:4096].decode(errors="replace")


def pause(reply: Reply) -> float:
    """Seconds to keep silent: as asked, within bounds."""
    asked = reply.headers.get("retry-after", "")
    seconds = float(asked) if asked.isdecimal() and len(asked) < 10 else _PAUSE
    return min(max(seconds, _PAUSE_AT_LEAST), _PAUSE_AT_MOST)
