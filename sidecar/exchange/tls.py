"""The client's side of TLS, pumped by hand over a ``Stream``: exact timing, errors with words, one code path."""

import ssl
from asyncio import to_thread
from collections.abc import Sequence
from contextlib import suppress

from sidecar.contract import Evidence, Outcome, ProbeFailure
from sidecar.exchange.stream import PIECE, Stream

_HANDSHAKE, _ALERT = 0x16, 0x15
"""The record types that a TLS server can begin with (RFC 8446, 5.1)."""

_CERTIFICATE_FAULTS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "its chain ends in a self-signed certificate that is not trusted",
    20: "its issuer is not trusted",
    21: "its issuer is not trusted",
    62: "it is for another name than {name}",
    64: "it is for another address than {name}",
}
"""OpenSSL's ``X509_V_ERR_*`` codes that operators meet."""


class CertificateRefused(ProbeFailure):
    """The other side's certificate cannot be trusted."""


class Tls:
    """How a probe speaks TLS. The context, which takes tens of milliseconds to build, is built once, at first use."""

    def __init__(
        self,
        *,
        verify: bool = True,
        ca_file: str | None = None,
        server_name: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        protocols: Sequence[str] = ("http/1.1",),
    ) -> None:
        self.server_name = server_name
        """The name to send and to find in the certificate; the host of the URL if not given."""
        self._verify = verify
        self._ca_file = ca_file
        self._cert_file = cert_file
        self._key_file = key_file
        self._protocols = protocols
        self._context: ssl.SSLContext | None = None

    @property
    def ready(self) -> bool:
        """The context is built."""
        return self._context is not None

    async def context(self) -> ssl.SSLContext:
        """Give the context. A file that cannot be used is the observer's failure, and is read again the next time."""
        if self._context is None:
            try:
                self._context = await to_thread(self._build)
            except OSError as error:
                files = ", ".join(filter(None, (self._ca_file, self._cert_file, self._key_file)))
                observed = f"{error.strerror or error} ({files})"
                raise _observer("the TLS files can be read", observed) from None
        return self._context

    def _build(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._ca_file)
        if self._protocols:
            context.set_alpn_protocols(self._protocols)
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._cert_file:
            # An empty password instead of OpenSSL's question on the terminal, which would hang the sidecar.
            context.load_cert_chain(self._cert_file, self._key_file, password="")
        return context


class TlsStream:
    """TLS over another stream. Raises ``ProbeFailure`` for what is wrong with TLS itself."""

    def __init__(self, stream: Stream, context: ssl.SSLContext, name: str, where: str) -> None:
        self._stream = stream
        self._name = name
        self._where = where
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        # As bytes: a str would pass through the IDNA codec and load its tables, 1 MB for a name that is ASCII.
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name.encode())

    async def handshake(self) -> None:
        """Agree on keys and check the certificate."""
        is_first = True
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._fill()
                if not data:
                    rule = f"{self._where} completes the TLS handshake"
                    raise ProbeFailure(rule, "the connection was closed", evidence=Evidence.SILENT) from None
                if is_first and data[0] not in (_HANDSHAKE, _ALERT):
                    raise ProbeFailure(f"{self._where} speaks TLS", _show(data)) from None
                is_first = False
            except ssl.SSLError as error:
                # The alert tells the other side why.
                self._stream.send_if_possible(self._outgoing.read())
                raise self._failure(error) from None
            else:
                await self._flush()
                return

    def certificate(self) -> bytes:
        """Give the other side's certificate in DER; empty if it has shown none."""
        return self._tls.getpeercert(binary_form=True) or b""

    def protocol(self) -> str:
        """Name the version of TLS that was agreed on."""
        return self._tls.version() or "none"

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise self._failure(error) from None
        await self._flush()

    async def receive(self) -> bytes:
        """Wait for the next piece; empty at the end, be it announced or not."""
        while True:
            try:
                return self._tls.read(PIECE)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise self._failure(error) from None

    def stale(self) -> bool:
        """Tell whether a kept connection is closed. Bytes that wait may be session tickets and mean nothing."""
        return self._stream.pending() == b""

    def close(self) -> None:
        """Say goodbye (RFC 8446, 6.1: each side must) without waiting for an answer, and close."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._stream.send_if_possible(self._outgoing.read())
        self._stream.close()

    async def _fill(self) -> bytes:
        data = await self._stream.receive()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return data

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._stream.send(self._outgoing.read())

    def _failure(self, error: ssl.SSLError) -> ProbeFailure:
        if isinstance(error, ssl.SSLCertVerificationError):
            fault = _CERTIFICATE_FAULTS.get(error.verify_code, error.verify_message)
            return CertificateRefused(f"the certificate of {self._where} is valid", fault.format(name=self._name))
        reason = (error.reason or "an error without a name").replace("_", " ").lower()
        return ProbeFailure(f"{self._where} completes the TLS handshake", reason)


def _observer(rule: str, observed: str) -> ProbeFailure:
    return ProbeFailure(rule, observed, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)


def _show(data: bytes) -> str:
    text = ascii(data[:48].decode("latin-1"))
    return f"{text}, which is plain HTTP: write http://" if data.startswith(b"HTTP/") else text
