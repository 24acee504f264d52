"""The gateway's process: find it, prove who it is, watch it, count its connections, signal it, await its exit."""

from sidecar.gateway.process import GoneError, NotProvenError
from sidecar.gateway.watch import NOBODY, Gateway

__all__ = ["NOBODY", "Gateway", "GoneError", "NotProvenError"]
