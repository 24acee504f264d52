"""An HTTP endpoint answers as it should: status, header, body and JSON conditions, on a fresh connection each time."""

import re
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from sidecar.contract import (
    Evidence,
    GatewayPlan,
    Kind,
    Outcome,
    Probe,
    ProbeFailure,
    Run,
    Secret,
    Setting,
    Size,
    Target,
)
from sidecar.exchange import (
    BODY_LIMIT,
    Address,
    Reply,
    Tls,
    address_of,
    check_header,
    exchange,
    parse_url,
    target_of,
)

Scalar = str | int | float | bool

_SEARCHED = 64 * 1024
"""Bytes that a pattern is matched against. It keeps slow patterns bearable, but a pattern with nested repetition can
still take for ever: write ``(?>...)`` or ``++`` (Python 3.11) where that may happen."""

_BODY_LIMIT_AT_MOST = 1024 * 1024
_SHOWN = 80
"""Characters of a body that a reason shows."""

_REDIRECTS = {301, 302, 303, 307, 308}
_MISCONFIGURED = {
    401: "the target wants credentials, set or correct them in `headers`",
    403: "the target refuses access, check the credentials in `headers` and the target's list of allowed hosts",
    404: "no such path on the target, set `url`",
    405: "the target does not allow this method on this path, set `method` or `url`",
    406: "the target cannot answer in this form, set an `Accept` header in `headers`",
}
"""Answers that speak of the question, with what to do."""


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "http"``."""

    url: str = "/"
    """A path on the gateway, or an absolute URL."""
    method: Literal["GET", "HEAD", "POST", "OPTIONS"] = "GET"
    headers: dict[str, Secret] = field(default_factory=dict)
    """Further request headers. They are sent to the origin of ``url`` only, never to where it redirects."""
    body: str | None = None
    """The request's body."""
    status: str = "200-299"
    """The expected status codes: ``"200"``, ``"200-299"``, ``"200,204,300-399"``."""
    expect_header: dict[str, str] = field(default_factory=dict)
    """For each named header of the reply, a regular expression to be found in its value."""
    expect_body: str | None = None
    """A regular expression to be found in the first 64 KiB of the body."""
    expect_json: dict[str, Scalar] = field(default_factory=dict)
    """For each dotted path into the JSON body (``checks.0.ok``), the value expected there."""
    follow_redirects: int = 0
    """How many redirects to follow."""
    tls_verify: bool = True
    tls_ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's."""
    tls_server_name: str | None = None
    """The name to find in the certificate, if it is not the host of ``url``."""
    body_limit: Size = BODY_LIMIT
    """How much of the reply's body is read."""

    def __post_init__(self) -> None:
        parse_url(f"http://gateway{self.url}" if self.url.startswith("/") else self.url)
        _parse_status(self.status)
        for name, value in self.headers.items():
            check_header(name, value)
        for name, pattern in self.expect_header.items():
            check_header(name, "")
            _check_pattern(f"expect_header.{name}", pattern)
        _check_pattern("expect_body", self.expect_body or "")
        if self.method == "HEAD" and (self.expect_body is not None or self.expect_json):
            raise ValueError("the reply to HEAD has no body: leave out expect_body and expect_json, or use GET")
        if not 0 <= self.follow_redirects <= 10:
            raise ValueError(f"follow_redirects is {self.follow_redirects}: expected 0 to 10")
        if self.body_limit > _BODY_LIMIT_AT_MOST:
            raise ValueError(f"body_limit is {self.body_limit} bytes: expected at most 1 MiB")


class HttpProbe(Probe[Spec]):
    """Makes one exchange (more with redirects) and holds the reply against the conditions."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._address = address_of(spec.url, setting.gateway)
        self._statuses = _parse_status(spec.status)
        is_named = any(name.lower() == "user-agent" for name in spec.headers)
        self._headers = spec.headers if is_named else {"User-Agent": setting.user_agent, **spec.headers}
        self._tls = Tls(verify=spec.tls_verify, ca_file=spec.tls_ca_file, server_name=spec.tls_server_name)

    async def observe(self, run: Run) -> None:
        """Ask, follow redirects as far as allowed, and hold the reply against every condition."""
        reply = await self._ask(run)
        run.note("status", reply.status)
        if "server" in reply.headers:
            run.note("server", reply.headers["server"])
        if self._expect_status(run, reply):
            self._expect_headers(run, reply)
            self._expect_body(run, reply)
            if self.spec.expect_json:
                self._expect_json(run, reply)

    async def _ask(self, run: Run) -> Reply:
        spec, address, method, body = self.spec, self._address, self.spec.method, (self.spec.body or "").encode()
        for followed in range(spec.follow_redirects + 1):
            reply = await exchange(
                method,
                address,
                run,
                headers=self._headers_for(address),
                body=body,
                tls=self._tls,
                body_limit=spec.body_limit,
            )
            if reply.status not in _REDIRECTS or "location" not in reply.headers or followed == spec.follow_redirects:
                break
            # RFC 9110, 15.4: 303 asks for GET (or HEAD), and 301 and 302 turn POST into it by long custom.
            if reply.status == 303 or (method == "POST" and reply.status in (301, 302)):
                method, body = "HEAD" if method == "HEAD" else "GET", b""
            address = _redirected(address, reply.headers["location"])
            if body and address.origin != self._address.origin:
                break  # the body, which may hold a credential, is not for others: the redirect is the answer
            run.note("redirects", followed + 1)
        return reply

    def _headers_for(self, address: Address) -> dict[str, str]:
        """Keep credentials, and any configured value may be one, from whomever a redirect names."""
        if address.origin == self._address.origin:
            return self._headers
        return {"User-Agent": self.setting.user_agent}

    def _expect_status(self, run: Run, reply: Reply) -> bool:
        status = reply.status
        holds = any(low <= status <= high for low, high in self._statuses)
        rule, observed = f"status is {self.spec.status}", str(status)
        otherwise, evidence = Outcome.FAIL, Evidence.WRONG
        if holds:
            pass
        elif hint := _MISCONFIGURED.get(status):
            observed, evidence = f"{status}: {hint}", Evidence.MISCONFIGURED
        elif status == 429:
            observed, otherwise = "429: the target limits the rate, set a longer `interval`", Outcome.WARN
        elif "location" in reply.headers:
            observed = f"{status}, a redirect to {_redacted(reply.headers['location'])}"
        return run.expect(rule, observed, holds, otherwise=otherwise, evidence=evidence)

    def _expect_headers(self, run: Run, reply: Reply) -> None:
        for name, pattern in self.spec.expect_header.items():
            value = reply.headers.get(name.lower())
            holds = value is not None and re.search(pattern, value) is not None
            run.expect(f'header {name} matches "{pattern}"', "no such header" if value is None else value, holds)

    def _expect_body(self, run: Run, reply: Reply) -> None:
        if (pattern := self.spec.expect_body) is None:
            return
        text = reply.body[:_SEARCHED].decode(errors="replace")
        found = re.search(pattern, text)
        observed = found[0] if found else text or "an empty body"
        run.expect(f'body matches "{pattern}"', _shortened(observed), found is not None)

    def _expect_json(self, run: Run, reply: Reply) -> None:
        if reply.truncated:
            limit = f"more than {self.spec.body_limit} bytes, set a larger `body_limit`"
            raise ProbeFailure("body is JSON", limit, evidence=Evidence.MISCONFIGURED)
        try:
            document = msgspec.json.decode(reply.body)
        except (ValueError, RecursionError):
            text = reply.body[:_SEARCHED].decode(errors="replace")
            raise ProbeFailure("body is JSON", _shortened(text or "an empty body")) from None
        for path, wanted in self.spec.expect_json.items():
            try:
                found = _at(document, path)
            except LookupError:
                run.expect(f'JSON "{path}" is {_json(wanted)}', "no such key", holds=False)
            else:
                run.expect(f'JSON "{path}" is {_json(wanted)}', _json(found), _is_same(found, wanted))


def _target(spec: Spec, gateway: GatewayPlan) -> Target:
    return target_of(spec.url, gateway)


def _redirected(address: Address, location: str) -> Address:
    from urllib.parse import urljoin  # noqa: PLC0415 - loaded by whoever meets a redirect

    try:
        return parse_url(urljoin(address.origin + address.target, location))
    except ValueError as error:
        raise ProbeFailure("the redirect can be followed", f"{_redacted(location)} ({error})") from None


def _redacted(location: str) -> str:
    """Leave out what may be a credential: the query, and what stands before an @."""
    return re.sub(r"//[^/]*@", "//", re.split(r"[?#]", location, maxsplit=1)[0])


def _parse_status(text: str) -> list[tuple[int, int]]:
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"([1-5]\d\d)(?:-([1-5]\d\d))?", part.strip())
        if match is None or (match[2] and match[2] < match[1]):
            raise ValueError(f'status is {text!r}: expected such as "200", "200-299" or "200,204,300-399"')
        ranges.append((int(match[1]), int(match[2] or match[1])))
    return ranges


def _check_pattern(key: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{key} is no regular expression: {error}") from None


def _at(document: Any, path: str) -> Any:
    """Follow a dotted path; numbers index arrays. Raises ``LookupError`` where it ends too early."""
    for step in path.split("."):
        if isinstance(document, list) and step.isdecimal():
            document = document[int(step)]
        elif isinstance(document, dict):
            document = document[step]
        else:
            raise LookupError(step)
    return document


def _is_same(found: object, wanted: Scalar) -> bool:
    """Compare as JSON does, where true is not 1."""
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _reading(spec: Spec) -> Spec | None:
    return spec if spec.method != "POST" else None


KIND = Kind("http", Spec, HttpProbe, target=_target, harmless=_reading)
