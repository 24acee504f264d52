"""``dns``: a name has the addresses, or another record, that it should."""

from probes.dns.probe import KIND

__all__ = ["KIND"]
