"""What the kernel says of the gateway at one moment."""

from collections.abc import Iterator

from sidecar.contract import GatewayProcess
from sidecar.linux import procfs, sockdiag

Figure = tuple[str, str | int | float]


def read_figures(port: int, process: GatewayProcess | None) -> dict[str, str | int | float]:
    """Read the figures by name; what the kernel keeps from us, or what is gone, is told in the figure's place."""
    figures: dict[str, str | int | float] = {}
    for group, read in _GROUPS.items():
        try:
            figures.update(read(port, process))
        except OSError as error:
            figures[group] = f"cannot be read: {(error.strerror or str(error)).lower()}"
    return figures


def _sockets(port: int, _: GatewayProcess | None) -> Iterator[Figure]:
    yield "listen_queue", sum(each.backlog for each in sockdiag.listeners(port))
    yield "in_flight", len(sockdiag.in_flight(port))


def _process(_: int, process: GatewayProcess | None) -> Iterator[Figure]:
    if process is None:
        return
    found = procfs.stat(process.pid)
    if found.start_ticks != process.start_ticks:
        raise ProcessLookupError(f"process {process.pid} is gone")
    yield "process_state", found.state
    yield "memory_bytes", procfs.resident(process.pid)
    yield "threads", found.threads
    yield "cpu_seconds", found.processor


def _files(_: int, process: GatewayProcess | None) -> Iterator[Figure]:
    if process is not None:
        yield "open_files", procfs.open_files(process.pid)


_GROUPS = {"sockets": _sockets, "process": _process, "open_files": _files}
