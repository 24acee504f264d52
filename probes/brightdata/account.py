"""The mode ``free``: the account accepts the key, and the zone is active."""

import msgspec
from msgspec import Struct

from probes.brightdata.refusal import API_STATUSES, error_code, refused, told
from probes.brightdata.spec import Spec
from sidecar.contract import Evidence, ProbeFailure, Run, Setting
from sidecar.exchange import Connection, Tls, connect, parse_url

_ACTIVE, _ALL = "/zone/get_active_zones", "/zone/get_all_zones"
_RULE = "the key is accepted"
_BODY_AT_MOST = 1024 * 1024
_ZONES_SHOWN = 10


class Zone(Struct, frozen=True):
    """A zone as the account endpoints list it."""

    name: str
    type: str | None = None
    status: str | None = None


class Account:
    """Asks the account endpoints, which cost nothing."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        self._token = spec.token or ""
        self._zone = spec.zone
        self._address = parse_url(spec.url.rstrip("/") + _ACTIVE)
        self._tls = Tls(ca_file=spec.tls_ca_file)
        self._headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "User-Agent": setting.user_agent,
        }

    async def look(self, run: Run) -> None:
        """Ask for the active zones; for all of them only to say what became of a missing one."""
        async with connect(self._address, run, tls=self._tls) as connection:
            zones = await self._zones(connection, self._address.target)
            run.expect(_RULE, f"{len(zones)} active zones", holds=True)
            run.note("zones", len(zones))
            if self._zone is not None:
                await self._expect_zone(run, connection, self._zone, zones)

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
        if reply.status != 200 or error_code(reply):
            raise refused(reply, _RULE, statuses=API_STATUSES, key="'token'", secrets=(self._token,))
        try:
            return msgspec.json.decode(reply.body, type=list[Zone])
        except (msgspec.DecodeError, RecursionError):
            shown = told(reply, (self._token,)) or "an empty body"
            raise ProbeFailure("the reply is a list of zones", shown) from None
