"""How much a person should care."""

from enum import StrEnum


class Severity(StrEnum):
    """How much a person should care."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_ORDER = tuple(Severity)


def gravest(*severities: Severity) -> Severity:
    """Give the gravest of some."""
    return max(severities, key=_ORDER.index)


def is_graver(severity: Severity, than: Severity) -> bool:
    """Tell whether a severity is above another."""
    return _ORDER.index(severity) > _ORDER.index(than)
