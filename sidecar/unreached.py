"""What it proves when another server cannot be reached: something about that server, or only about this side."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator

from sidecar.contract import Evidence, Outcome, ProbeFailure

_CUT = {errno.ECONNABORTED, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT}
_UNKNOWN_NAME = {socket.EAI_ADDRFAMILY, socket.EAI_NODATA, socket.EAI_NONAME}
_CHAIN_AT_MOST = 8


def unreached(error: BaseException, where: str) -> ProbeFailure | None:
    """Explain the error of the network that lies behind an error of a client library; None if there is none.

    ``where`` names the server for people, without credentials. The error's own text is never repeated: a library may
    have put anything into it.
    """
    for link in causes(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return ProbeFailure(f"the certificate of {where} is valid", link.verify_message)
        if isinstance(link, ssl.SSLError):
            reason = getattr(link, "reason", None) or "an error without a name"  # absent unless OpenSSL raised it
            reason = reason.replace("_", " ").lower()
            return ProbeFailure(f"{where} completes the TLS handshake", reason)
        if isinstance(link, socket.gaierror):
            return unresolved(link, f"the name in {where} has an address")
        if isinstance(link, OSError) and (number := _number(link)):
            return unconnected(number, f"a connection to {where} is accepted")
    return None


def unresolved(error: socket.gaierror, rule: str) -> ProbeFailure:
    """Explain why a name has no address: nobody knows it, or the resolver could not be asked."""
    reason = (error.strerror or "no answer").lower()
    if error.errno in _UNKNOWN_NAME:
        return ProbeFailure(rule, reason, evidence=Evidence.MISCONFIGURED)
    return ProbeFailure(rule, reason, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)


def unconnected(number: int, rule: str) -> ProbeFailure:
    """Explain an error of the network by its number: libraries word a failed connect in their own ways."""
    reason = os.strerror(number).lower()
    if number in (errno.ECONNREFUSED, errno.ENOENT):  # a Unix socket that is not there: its server is not
        return ProbeFailure(rule, reason, evidence=Evidence.REFUSED)
    if number in _CUT:
        return ProbeFailure(rule, reason, evidence=Evidence.SILENT)
    if number == errno.EACCES:
        return ProbeFailure(rule, reason, evidence=Evidence.MISCONFIGURED)
    # No route, no descriptors, no ports, no buffers, a local firewall: nothing is proven of the other side.
    return ProbeFailure(rule, reason, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to what it was raised from, or while handling what, as far as it does not hide it."""
    link: BaseException | None = error
    for _ in range(_CHAIN_AT_MOST):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _number(error: OSError) -> int | None:
    """Tell the error's number; asyncio packs the errors of several addresses into the text of one without a number."""
    if error.errno is not None:
        return error.errno
    numbers = [int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))]
    # Refused by one family says more than "there is no such family here" does of the other.
    return errno.ECONNREFUSED if errno.ECONNREFUSED in numbers else next(iter(numbers), None)
