"""What may be said over the control socket: one line of JSON asks, one line of JSON answers."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

ORDER_AT_MOST = 16 * 1024
"""Bytes of an order, its line's end included."""

ANSWER_AT_MOST = 16 * 1024 * 1024
"""Bytes of an answer that a client still reads: a thousand probes take some hundred bytes each."""

REASON_AT_MOST = 200
"""Characters."""

Reason = Annotated[str, Meta(max_length=REASON_AT_MOST, pattern=r"^(?=.*\S)[^\x00-\x1f\x7f-\x9f]*$")]
"""One line of text for people."""

Release = Annotated[str, Meta(min_length=1, max_length=200)]
"""A release's name."""

LONGEST_MAINTENANCE = 30 * 86_400.0
"""Seconds: what would take longer would be forgotten."""

Seconds = Annotated[float, Meta(gt=0, le=LONGEST_MAINTENANCE)]


class Order(Struct, frozen=True, tag_field="order", tag=str.lower, forbid_unknown_fields=True):
    """Something that an operator asks for."""


class Status(Order, frozen=True):
    """Tell how things are, and what happens next."""


class Config(Order, frozen=True):
    """Show the plan that is in force."""


class Drain(Order, frozen=True):
    """Drain the gateway now."""

    reason: Reason


class Maintenance(Order, frozen=True):
    """Take this replica out for so long."""

    reason: Reason
    seconds: Seconds


class Resume(Order, frozen=True):
    """End the maintenance."""

    reason: Reason


class Reload(Order, frozen=True):
    """Read the configuration again."""


class Hold(Order, frozen=True):
    """Stop all automation: no drain, no promotion, no rollback."""

    reason: Reason


class Unhold(Order, frozen=True):
    """Let automation go on."""

    reason: Reason


class Releases(Order, frozen=True):
    """Tell what is known of releases and rollbacks."""


class Promote(Order, frozen=True):
    """Call the release that runs a good one."""

    reason: Reason


class Rollback(Order, frozen=True):
    """Put an earlier release in the place of the one that runs."""

    reason: Reason
    release: Release | None = None
    """None for the last good one."""
    force: bool = False
    """Override what forbids it, as far as that can be."""


ReleaseOrder = Hold | Unhold | Releases | Promote | Rollback
AnyOrder = Status | Config | Drain | Maintenance | Resume | Reload | ReleaseOrder


class Answer(Struct, frozen=True, omit_defaults=True):
    """What comes of an order."""

    done: bool
    message: str = ""
    """For people; it may have several lines."""
    document: Any = None


_decoder: msgspec.json.Decoder[AnyOrder] = msgspec.json.Decoder(AnyOrder)


def read_order(line: bytes) -> AnyOrder:
    """Read an order. Raises ``ValueError``."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"this is no order: {error}") from None


def write_line(message: Order | Answer) -> bytes:
    """Write an order or an answer as a line."""
    return msgspec.json.encode(message) + b"\n"
