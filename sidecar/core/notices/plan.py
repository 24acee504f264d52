"""The rules by which people are told: the table ``[notify]`` of the plan."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from sidecar.core.quantities import Duration, Secret, Share
from sidecar.core.severity import Severity


class SinkKind(StrEnum):
    """How a message leaves the sidecar."""

    WEBHOOK = "webhook"
    """A POST of CloudEvents JSON, signed where there is a `secret`."""
    APPRISE = "apprise"
    """Whatever Apprise reaches: Slack, Discord, PagerDuty, e-mail and many more. Needs the extra `apprise`."""


class NoticeKind(StrEnum):
    """What a message is about. A problem and its end are always of one kind."""

    STATUS = "status"
    """The status of the deployment."""
    CHECK = "check"
    """A single check. Left out unless it is asked for: the status tells which checks it is about."""
    DRAIN = "drain"
    """A drain: begun, called off, finished, withheld."""
    MAINTENANCE = "maintenance"
    """Maintenance: begun, ended."""
    RELEASE = "release"
    """A release: good, bad, held, rolled back."""
    HOLD = "hold"
    """An operator has stopped all automation, or has let it go on."""
    GATEWAY = "gateway"
    """Parent mode: the command has ended, or has left processes behind."""
    CONFIGURATION = "configuration"
    """A reload was refused, or went well."""
    SIDECAR = "sidecar"
    """The sidecar itself has started or ended."""


class SinkPlan(Struct, frozen=True, kw_only=True):
    """Somebody who is told."""

    kind: SinkKind
    """How a message leaves the sidecar."""
    url: Annotated[Secret, Meta(min_length=8)]
    """Where to: a web address, or an Apprise URL. No output shows it; the sink is known by its name."""
    secret: Annotated[Secret, Meta(min_length=16)] | None = None
    """``kind = "webhook"``: the key of the signature, HMAC-SHA256 as Standard Webhooks has it: `whsec_` and the key in
    base64, or any other text as it stands."""
    timeout: Annotated[Duration, Meta(ge=0.1, le=60)] = 10.0
    """The deadline of one attempt."""
    severity: Severity = Severity.WARNING
    """What is less grave is not told here. The end of a problem is told wherever its begin was."""
    kinds: tuple[NoticeKind, ...] = ()
    """What is told here. When not given: everything but ``check``."""


class NotifyPlan(Struct, frozen=True, kw_only=True):
    """Who is told of what, and how often. Without sinks nobody is."""

    remind_after: Annotated[Duration, Meta(le=31536000)] = 14400.0
    """What is bad and lasts is told again each time so long has passed. ``"0s"``: never."""
    dedupe: Annotated[Duration, Meta(le=86400)] = 300.0
    """The same news is told once within so long, and counted. What the sidecar or an operator does is always told."""
    flap_window: Annotated[Duration, Meta(ge=60, le=86400)] = 1200.0
    """The past that decides whether the status flaps. It holds 20 changes at most, of which newer ones weigh more."""
    flap_high: Share = 0.25
    """From this share of changes on the status flaps: that is told once, and a further change only if it is graver."""
    flap_low: Share = 0.1
    """Below this share it does not any more, which is told too."""
    keep_trying: Annotated[Duration, Meta(ge=1, le=2592000)] = 86400.0
    """A message that could not be delivered for so long is given up."""
    sinks: Mapping[str, SinkPlan] = {}
    """Who is told: a table ``[notify.sinks.NAME]`` for each."""


def is_told(sink: SinkPlan, kind: NoticeKind) -> bool:
    """Tell whether a sink wants to hear of this kind at all."""
    return kind in sink.kinds if sink.kinds else kind is not NoticeKind.CHECK
