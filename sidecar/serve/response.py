"""Writing a complete HTTP/1.1 response.

It has no Date: a response is written once and sent many times, and no cache may keep it.
"""

from typing import NamedTuple

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class Page(NamedTuple):
    """What is shown."""

    status: int
    content_type: str
    body: bytes


def write_response(page: Page, *, head_only: bool, keep_alive: bool) -> bytes:
    """Write status line, header fields and (unless ``head_only``) the body."""
    allow = "Allow: GET, HEAD\r\n" if page.status == 405 else ""
    head = (
        f"HTTP/1.1 {page.status} {_PHRASES[page.status]}\r\n"
        f"Content-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.body)}\r\n"
        f"Cache-Control: no-store\r\n"
        f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n"
        f"{allow}\r\n"
    ).encode("ascii")
    return head if head_only else head + page.body


def taken_page() -> Page:
    """Make the page that tells that a report was taken: an empty one, for whoever prints it."""
    return Page(200, "text/plain; charset=utf-8", b"")


def refusal_page(status: int, reason: str) -> Page:
    """Make the page that tells why a request is refused."""
    return Page(status, "text/plain; charset=utf-8", f"{status} {_PHRASES[status]}: {reason}\n".encode())
