"""The mode ``request``: a page arrives through the API."""

import msgspec

from probes.brightdata.refusal import API_STATUSES, error_code, refused
from probes.brightdata.spec import Spec
from sidecar.contract import Run, Setting
from sidecar.exchange import Tls, exchange, parse_url

_STATUS, _ERROR = "x-brd-status-code", "x-brd-error"


class Fetch:
    """Has the API fetch the page."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        self._secrets = (spec.token or "",)
        self._address = parse_url(spec.url.rstrip("/") + "/request")
        self._tls = Tls(ca_file=spec.tls_ca_file)
        self._body = msgspec.json.encode({"zone": spec.zone, "url": spec.page, "format": "raw"})
        self._headers = {
            "Authorization": f"Bearer {spec.token}",
            "Content-Type": "application/json",
            "User-Agent": setting.user_agent,
        }

    async def look(self, run: Run) -> None:
        """Ask for the page. Whatever became of that, the reply's own status is 200: the headers tell."""
        reply = await exchange("POST", self._address, run, headers=self._headers, body=self._body, tls=self._tls)
        status, error = reply.headers.get(_STATUS, "none"), reply.headers.get(_ERROR)
        if reply.status != 200:
            raise refused(reply, "the key is accepted", statuses=API_STATUSES, key="'token'", secrets=self._secrets)
        if error is not None or error_code(reply):
            rule = "BrightData fetches the page"
            raise refused(reply, rule, statuses={}, key="'token'", secrets=self._secrets, status=status)
        run.expect(f"{_STATUS} is 200-299", status, len(status) == 3 and status.startswith("2"))
