"""The mode ``proxy``: a page arrives through the proxy."""

from base64 import b64encode

from probes.brightdata.refusal import PROXY_STATUSES, error_code, refused
from probes.brightdata.spec import Spec
from sidecar.contract import Evidence, ProbeFailure, Run, Setting
from sidecar.exchange import Proxy, Tls, TunnelRefused, connect, parse_url
from sidecar.exchange.tls import CertificateRefused

_KEYS = "'customer', 'zone' and 'password'"
_ROOT = "port 44445 has a root certificate of its own, which 'tls_ca_file' must name"


class Tunnel:
    """Fetches the page by itself, through a tunnel that the proxy opens."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        login = f"brd-customer-{spec.customer}-zone-{spec.zone}:{spec.password}"
        credentials = b64encode(login.encode()).decode()
        proxy = parse_url(f"http://{spec.proxy_host}:{spec.proxy_port}")
        self._proxy = Proxy(proxy, {"Proxy-Authorization": f"Basic {credentials}"})
        self._secrets = (credentials, spec.password or "")
        self._page = parse_url(spec.page)
        self._tls = Tls(ca_file=spec.tls_ca_file)
        self._headers = {"User-Agent": setting.user_agent, "Connection": "close"}

    async def look(self, run: Run) -> None:
        """Connect to the page's server, and ask for the page."""
        try:
            async with connect(self._page, run, tls=self._tls, via=self._proxy) as connection:
                reply = await connection.send("GET", headers=self._headers)
        except TunnelRefused as refusal:
            rule = "the proxy opens a tunnel"
            raise refused(refusal.reply, rule, statuses=PROXY_STATUSES, key=_KEYS, secrets=self._secrets) from None
        except CertificateRefused as refusal:
            observed = f"{refusal.observed}: {_ROOT}"
            raise ProbeFailure(refusal.rule, observed, evidence=Evidence.MISCONFIGURED) from None
        if error_code(reply) or "x-brd-error" in reply.headers:
            raise refused(reply, "BrightData fetches the page", statuses={}, key=_KEYS, secrets=self._secrets)
        run.expect("the page's status is 200-299", reply.status, 200 <= reply.status < 300)
