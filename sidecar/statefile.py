"""Small files that survive the sidecar: written whole or not at all. To be called in a worker thread."""

# ruff: noqa: PTH103, PTH105, PTH108, PTH118, PTH123 - a handful of calls of os, which the agent has loaded anyway

import os

from sidecar.core.errors import SidecarError

READ_AT_MOST = 64 * 1024
"""Bytes of a file that is still read."""


def write_state(directory: str, name: str, data: bytes) -> None:
    """Put a file in the place of the one before; a crash leaves the one or the other. Raises ``SidecarError``."""
    path, draft = os.path.join(directory, name), os.path.join(directory, f".{name}.{os.getpid()}")
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError:
            _remove(draft)
            raise
        _sync(directory)
    except (OSError, ValueError) as error:
        raise _failure("write", path, error) from None


def read_state(directory: str, name: str) -> bytes | None:
    """Read a file; None when there is none. Raises ``SidecarError``."""
    path = os.path.join(directory, name)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            data = file.read(READ_AT_MOST + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _failure("read", path, error) from None
    if len(data) > READ_AT_MOST:
        raise SidecarError(
            f"cannot read {path}: it is larger than {READ_AT_MOST} bytes, so it is none of the sidecar's"
        )
    return data


def remove_state(directory: str, name: str) -> None:
    """Remove a file, if it is there. Raises ``SidecarError``."""
    path = os.path.join(directory, name)
    try:
        _remove(path)
    except (OSError, ValueError) as error:
        raise _failure("remove", path, error) from None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _sync(directory: str) -> None:
    """See to it that the renaming itself survives a loss of power (fsync(2))."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failure(what: str, path: str, error: Exception) -> SidecarError:
    why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
    return SidecarError(f"cannot {what} {path}: {why}")
