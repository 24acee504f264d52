"""The gateway's process: find it, prove who it is, watch it, count its connections, signal it, await its exit."""

from sidecar.gateway.process import GoneError, NotProvenError
from sidecar.gateway.watch import Gateway

__all__ = ["Gateway", "GoneError", "NotProvenError"]
