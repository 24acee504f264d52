"""MCP over Streamable HTTP: a server speaks the protocol, has the tools it should have, and one of them works.

Both eras of the protocol are spoken. ``tools/list`` is no proof that what stands behind a gateway works, because
gateways answer it from memory: only a ``call`` proves that.
"""

from probes.mcp.probe import KIND, CallSpec, McpProbe, Spec

__all__ = ["KIND", "CallSpec", "McpProbe", "Spec"]
