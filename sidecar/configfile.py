"""Reading the configuration's file: bounded, never waiting, and clear about what is wrong with it."""

import os
import stat
from collections.abc import Mapping

from sidecar.config import TEXT_AT_MOST
from sidecar.core.errors import SidecarError

DEFAULT_PATH = "conf/sidecar.toml"
EMBEDDED = "embedded default"
"""What the configuration is called when there is no file; its text is empty."""


def read_config(path: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """Read the configuration; returns its text, and where it comes from.

    The file is ``path``, else the one that ``SIDECAR_CONFIG`` names, else ``conf/sidecar.toml`` if it is there, else
    none: then the text is empty. Raises SidecarError when the file cannot be read as text.
    """
    named = path or environ.get("SIDECAR_CONFIG")
    if not named and not os.path.lexists(DEFAULT_PATH):
        return "", EMBEDDED
    source = named or DEFAULT_PATH
    return _decode(_read(source), source), source


def _read(path: str) -> bytes:
    try:
        # Not to wait for the writer of a FIFO, nor to take a terminal as the controlling one.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _cannot_read(path, error) from None
    try:
        if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
            what = "a directory" if stat.S_ISDIR(mode) else "a device, pipe or socket"
            raise _cannot_read(path, f"it is {what}: expected a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(TEXT_AT_MOST + 1)
    except OSError as error:
        raise _cannot_read(path, error) from None
    finally:
        os.close(descriptor)
    if len(data) > TEXT_AT_MOST:
        raise _cannot_read(path, f"it is larger than {TEXT_AT_MOST >> 20} MiB: expected a configuration of some KiB")
    return data


def _decode(data: bytes, path: str) -> str:
    if b"\0" in data:
        raise _cannot_read(path, "it is binary: expected TOML in UTF-8")
    try:
        return data.decode("utf-8-sig")  # an editor's byte order mark does no harm
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _cannot_read(path, f"line {line} is not UTF-8 (byte 0x{data[error.start]:02x})") from None


def _cannot_read(path: str, cause: object) -> SidecarError:
    if isinstance(cause, OSError):
        cause = (cause.strerror or type(cause).__name__).lower()
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in path)
    return SidecarError(f"cannot read configuration {name}: {cause}")
