"""``tcp``: somebody listens on a port, and (with ``expect``) says what they should.

A connection alone is thin proof: the kernel accepts for a process that hangs, until its queue is full. A service that
greets, or answers a line of text, is better asked for that.
"""

import re
from contextlib import suppress
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from sidecar.contract import Evidence, GatewayPlan, Kind, Probe, ProbeFailure, Run, Secret, Setting, Target
from sidecar.exchange.stream import Stream, dial, failure
from sidecar.exchange.target import place_of, target_at

_SEARCHED = 4096
_SHOWN = 80


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "tcp"``."""

    address: str | None = None
    """``host:port`` to connect to."""
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """A port on the gateway's host, in place of ``address``. With neither, it is the gateway's own port."""
    send: Annotated[Secret, Meta(max_length=4096)] | None = None
    """What to say once connected, such as ``"PING\\r\\n"``."""
    expect: Annotated[str, Meta(min_length=1)] | None = None
    """A regular expression to be found in the first 4 KiB of what comes back. Without it, to connect is enough."""

    def __post_init__(self) -> None:
        place_of(self.address, self.port, GatewayPlan())
        if self.send is not None and self.expect is None:
            raise ValueError("send is given without expect: say which answer is expected")
        try:
            re.compile(self.expect or "")
        except re.error as error:
            raise ValueError(f"expect is no regular expression: {error}") from None


class TcpProbe(Probe[Spec]):
    """Makes a fresh connection each time."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._address = place_of(spec.address, spec.port, setting.gateway)

    async def observe(self, run: Run) -> None:
        """Connect, and hold what comes back against the pattern."""
        stream = await dial(self._address, run)
        try:
            if self.spec.expect is None:
                run.expect(f"a connection to {self._address.where} is accepted", "", holds=True)
            else:
                await self._converse(stream, self.spec.expect, run)
        except OSError as error:
            raise failure(error, f"{self._address.where} replies") from None
        finally:
            stream.close()

    async def _converse(self, stream: Stream, pattern: str, run: Run) -> None:
        if self.spec.send is not None:
            # Who closes without reading what we say may have spoken before: what came is read in any case.
            with suppress(ConnectionError):
                await stream.send(self.spec.send.encode())
        received, found = b"", None
        while found is None and len(received) < _SEARCHED and (piece := await stream.receive()):
            if not received:
                run.phase("first_byte")
            received = (received + piece)[:_SEARCHED]
            text = received.decode(errors="replace")
            found = re.search(pattern, text)
            run.note("received", self._shown(text))  # for whoever reads that the rest did not come in time
        if not received:
            raise ProbeFailure(f"{self._address.where} replies", "the connection was closed", evidence=Evidence.SILENT)
        run.expect(f'reply matches "{pattern}"', self._shown(found[0] if found else text), found is not None)

    def _shown(self, text: str) -> str:
        """Cut what came back to a readable length, without what was sent: an echo may hold a credential."""
        for word in (self.spec.send or "").split():
            text = text.replace(word, "…")
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _target(spec: Spec, gateway: GatewayPlan) -> Target:
    return target_at(place_of(spec.address, spec.port, gateway), gateway)


def _without_a_word(spec: Spec) -> Spec:
    """Connect, and hear what is said unasked: nobody knows what saying something does."""
    return spec if spec.send is None else replace(spec, send=None, expect=None)


KIND = Kind("tcp", Spec, TcpProbe, target=_target, harmless=_without_a_word)
