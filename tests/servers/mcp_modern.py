"""An MCP server of the modern era, made with the reference library; run by ``servers.mcp`` in a process of its own."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("bench", version="1.2.3")


@server.tool()
def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool()
def fail() -> str:
    """Fail as a tool does whose backend is gone."""
    raise RuntimeError("the backend is gone")


def extra() -> str:
    """Be there, or not."""
    return "here"


@server.tool()
def grow() -> str:
    """Add a tool."""
    server.add_tool(extra)
    return "grown"


@server.tool()
def shrink() -> str:
    """Remove it again."""
    server.remove_tool("extra")
    return "shrunk"


server.run("streamable-http", port=0)
