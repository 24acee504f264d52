"""``tls``: a server shows a certificate that is trusted, bears its name, and does not expire soon.

A certificate that is no good is evidence of a misconfiguration: whoever serves it has to be given another one, and a
restart would not help.
"""

import time
from contextlib import suppress
from typing import Annotated

from msgspec import Meta, Struct

from sidecar.contract import Duration, Evidence, GatewayPlan, Kind, Outcome, Probe, ProbeFailure, Run, Setting, Target
from sidecar.exchange.certificate import Certificate, read_certificate
from sidecar.exchange.stream import dial, failure
from sidecar.exchange.target import place_of, target_at
from sidecar.exchange.tls import CertificateRefused, Tls, TlsStream

_DAY = 86400.0


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "tls"``. Certificates change slowly: an ``interval`` of minutes is enough."""

    address: str | None = None
    """``host:port`` to connect to."""
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """A port on the gateway's host, in place of ``address``. With neither, it is the gateway's own port."""
    server_name: Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[\w:-][\w.:-]*$")] | None = None
    """The name to ask for and to find in the certificate, if it is not the host."""
    ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's."""
    verify: bool = True
    """``false``: only the time that is left counts, whoever issued the certificate for whatever name."""
    warn_before: Duration = 14 * _DAY
    """Warn so long before the certificate expires."""
    fail_before: Duration = 0.0
    """Fail so long before it expires, instead of when it does."""

    def __post_init__(self) -> None:
        place_of(self.address, self.port, GatewayPlan())
        if self.fail_before > self.warn_before:
            raise ValueError("fail_before is longer than warn_before: the warning could never be seen")
        if self.ca_file is not None and not self.verify:
            raise ValueError("ca_file is given although verify is false: leave out one of them")


class TlsProbe(Probe[Spec]):
    """Makes a fresh connection and a whole handshake each time."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._address = place_of(spec.address, spec.port, setting.gateway)
        self._name = spec.server_name or self._address.host
        self._tls = Tls(verify=spec.verify, ca_file=spec.ca_file, protocols=())
        self._unverified = Tls(verify=False, protocols=())

    async def observe(self, run: Run) -> None:
        """Shake hands, and look how long the certificate is valid."""
        try:
            certificate = await self._shake_hands(self._tls, run)
        except CertificateRefused as refusal:
            run.expect(refusal.rule, refusal.observed, False, evidence=Evidence.MISCONFIGURED)
            await self._describe(run)
        else:
            _note(certificate, run)
            self._expect_time_left(certificate, run)

    async def _describe(self, run: Run) -> None:
        """Look at a refused certificate, on a connection without verification; nothing more follows from it."""
        with suppress(ProbeFailure):
            aside = Run()  # the phases stay those of the handshake that failed
            _note(await self._shake_hands(self._unverified, aside), run)

    async def _shake_hands(self, tls: Tls, run: Run) -> Certificate:
        where = self._address.where
        if not tls.ready:
            await tls.context()
            run.phase("setup")
        stream = await dial(self._address, run)
        try:
            secure = TlsStream(stream, await tls.context(), self._name, where)
            await secure.handshake()
            run.phase("tls")
            run.note("protocol", secure.protocol())
            certificate = read_certificate(secure.certificate())
            secure.close()
        except OSError as error:
            raise failure(error, f"{where} completes the TLS handshake") from None
        except ValueError as error:
            rule = f"the certificate of {where} can be read"
            raise ProbeFailure(rule, str(error), otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER) from None
        finally:
            stream.close()
        return certificate

    def _expect_time_left(self, certificate: Certificate, run: Run) -> None:
        left = certificate.not_after - time.time()
        fails = left < self.spec.fail_before
        wanted = self.spec.fail_before if fails else self.spec.warn_before
        lasts = f"is valid for another {wanted / _DAY:g} days" if wanted else "has not expired"
        until = f"until {_date(certificate.not_after)}"
        run.expect(
            f"the certificate of {self._address.where} {lasts}",
            f"{left / _DAY:.1f} days, {until}" if left > 0 else f"valid {until}",
            left >= wanted,
            otherwise=Outcome.FAIL if fails else Outcome.WARN,
            evidence=Evidence.MISCONFIGURED,
        )


def _note(certificate: Certificate, run: Run) -> None:
    run.note("issuer", certificate.issuer)
    run.note("not_after", _date(certificate.not_after))
    run.note("days_left", round((certificate.not_after - time.time()) / _DAY, 2))


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _target(spec: Spec, gateway: GatewayPlan) -> Target:
    return target_at(place_of(spec.address, spec.port, gateway), gateway)


KIND = Kind("tls", Spec, TlsProbe, target=_target)
