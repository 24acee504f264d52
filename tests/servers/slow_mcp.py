"""A real MCP server on standard input and output, with a tool that takes as long as the test wants.

Run as a script with the path of a FIFO. The tool ``slow`` says so on the standard error when it is called, and returns
what somebody writes into the FIFO.
"""

import sys
from pathlib import Path

import anyio.to_thread
from mcp.server.fastmcp import FastMCP

server = FastMCP("slow")


@server.tool()
async def slow() -> str:
    """Wait for the word."""
    sys.stderr.write("the slow tool is called\n")
    sys.stderr.flush()
    return await anyio.to_thread.run_sync(Path(sys.argv[1]).read_text)


if __name__ == "__main__":
    server.run()
