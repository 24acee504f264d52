"""A notice as text for people."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sidecar.core.notices.notice import Notice

TITLE_AT_MOST = 200


def title(notice: Notice) -> str:
    """Write what happened, and where, in one line."""
    first, *_ = notice.what.splitlines() or [""]
    line = f"[{notice.severity}] {notice.replica}: {first}"
    return line if len(line) <= TITLE_AT_MOST else f"{line[: TITLE_AT_MOST - 1]}…"


def text(notice: Notice) -> str:
    """Write everything that the title does not say, a line for each answer."""
    return "\n".join(_lines(notice))


def moment(at: float) -> datetime:
    """Turn Unix time into a moment in UTC, to the millisecond."""
    return datetime.fromtimestamp(round(at, 3), UTC)


def _lines(notice: Notice) -> Iterator[str]:
    yield from notice.what.splitlines()[1:]
    yield f"Since: {_write(notice.since)}{_again(notice)}"
    for reason in notice.reasons:
        yield f"Why: {reason}"
    yield f"Where: {', '.join(_place(notice))}"
    if notice.does:
        yield f"The sidecar: {notice.does}"
    if notice.command:
        yield f"You: {notice.command}"


def _place(notice: Notice) -> Iterator[str]:
    yield f"replica {notice.replica}"
    if notice.release is not None:
        yield f"release {notice.release}"
    if notice.cause is not None:
        yield f"cause {notice.cause}"


def _again(notice: Notice) -> str:
    if notice.counted_from is None:
        return ""
    return f" ({notice.count} times since {_write(notice.counted_from)})"


def _write(at: float) -> str:
    return moment(at).isoformat(timespec="seconds").replace("+00:00", "Z")
