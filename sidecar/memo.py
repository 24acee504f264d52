"""Where the memos of probes are kept: a file for each, in the state directory."""

import os
from contextlib import suppress

import anyio.to_thread

from sidecar.contract import Memo, PassingMemo

_BYTES_AT_MOST = 4096


def memo_of(probe: str, directory: str | None) -> Memo:
    """Give a probe its memo; without a directory it lasts no longer than the probe."""
    return PassingMemo() if directory is None else FileMemo(f"{directory}/probes", probe)


class FileMemo(Memo):
    """A small file, read and replaced in a worker thread. Nothing is made before there is something to keep.

    Who has to hurry need not wait for a disk that hangs: the thread is left to itself when its caller is cancelled.
    """

    lasting = True

    def __init__(self, directory: str, name: str) -> None:
        self._directory = directory
        self._path = f"{directory}/{name}"

    async def read(self) -> str:
        """Read the file, as far as a memo may reach; empty if there is none."""
        return await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True)

    async def write(self, text: str) -> None:
        """Write another file, and let it take the place of the first: after a crash there is one or the other."""
        await anyio.to_thread.run_sync(self._write, text, abandon_on_cancel=True)

    def _read(self) -> str:
        try:
            # Not to wait for the writer, should somebody have put a FIFO there.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return ""
        try:
            return os.read(descriptor, _BYTES_AT_MOST).decode(errors="replace")
        finally:
            os.close(descriptor)

    def _write(self, text: str) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)  # noqa: PTH103 - pathlib is 0.4 MB for three calls
        other = f"{self._path}.{os.getpid()}"  # names of probes have no dot
        try:
            descriptor = os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.replace(other, self._path)  # noqa: PTH105
        except BaseException:
            with suppress(OSError):
                os.unlink(other)  # noqa: PTH108
            raise
