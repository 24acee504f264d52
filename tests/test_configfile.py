"""Reading the configuration's file."""

import os
import socket
from pathlib import Path

import pytest

from sidecar.config import TEXT_AT_MOST
from sidecar.configfile import read_config
from sidecar.core.errors import SidecarError


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_any_file_the_default_is_embedded() -> None:
    """No file named and none in place: an empty text, which derives everything from the environment."""
    assert read_config(None, {}) == ("", "embedded default")


def test_default_path_is_read_when_it_is_there(tmp_path: Path) -> None:
    """conf/sidecar.toml below the working directory needs no naming."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "sidecar.toml").write_text("derive = true\n")
    assert read_config(None, {}) == ("derive = true\n", "conf/sidecar.toml")


def test_dangling_default_is_an_error(tmp_path: Path) -> None:
    """A default path that leads nowhere is a broken mount, not the wish for the embedded default."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "sidecar.toml").symlink_to("gone")
    with pytest.raises(SidecarError, match=r"cannot read configuration conf/sidecar\.toml: no such file"):
        read_config(None, {})


def test_named_file_wins_over_the_environment(tmp_path: Path) -> None:
    """The command line outranks SIDECAR_CONFIG, which outranks the default path."""
    (tmp_path / "a.toml").write_text("# a")
    (tmp_path / "b.toml").write_text("# b")
    assert read_config("a.toml", {"SIDECAR_CONFIG": "b.toml"}) == ("# a", "a.toml")
    assert read_config(None, {"SIDECAR_CONFIG": "b.toml"}) == ("# b", "b.toml")


@pytest.mark.parametrize("name", ["gone.toml", "no\nfile", "nul\0byte", "x" * 5000])
def test_named_file_that_is_not_there_is_an_error(name: str) -> None:
    """A file that was asked for by name is never passed over; the name cannot break the line."""
    with pytest.raises(SidecarError, match=r"^cannot read configuration [^\n]*$"):
        read_config(name, {})


def test_directory_is_an_error(tmp_path: Path) -> None:
    """A directory in the file's place is named as such."""
    with pytest.raises(SidecarError, match="it is a directory: expected a regular file"):
        read_config(str(tmp_path), {})


def test_fifo_is_an_error_and_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe that nobody writes to does not hang the start."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SidecarError, match="a device, pipe or socket: expected a regular file"):
        read_config("fifo", {})


def test_device_and_socket_are_errors() -> None:
    """An endless device is not read at all, and a socket cannot be."""
    with pytest.raises(SidecarError, match="a device, pipe or socket"):
        read_config("/dev/zero", {})
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(SidecarError, match="cannot read configuration s: "):
            read_config("s", {})


def test_unreadable_file_is_an_error() -> None:
    """What the system refuses is told in its words; writing-only /proc files refuse even root."""
    with pytest.raises(SidecarError, match="cannot read configuration /proc/self/mem: "):
        read_config("/proc/self/mem", {})


def test_huge_file_is_an_error(tmp_path: Path) -> None:
    """No more than the limit is read of a file, however large."""
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(TEXT_AT_MOST << 12)
    with pytest.raises(SidecarError, match="larger than 1 MiB"):
        read_config("huge.toml", {})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF\0\0", "it is binary"),
        ("a = 1".encode("utf-16"), "it is binary"),
        (b"a = 1\nb = '\xff'\n", r"line 2 is not UTF-8 \(byte 0xff\)"),
    ],
)
def test_what_is_not_text_is_an_error(tmp_path: Path, data: bytes, message: str) -> None:
    """Binary files and other encodings are told from TOML before it is parsed."""
    (tmp_path / "x.toml").write_bytes(data)
    with pytest.raises(SidecarError, match=message):
        read_config("x.toml", {})


def test_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    """A byte order mark, which some editors write, is no part of the text."""
    (tmp_path / "bom.toml").write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_config("bom.toml", {}) == ("a = 1", "bom.toml")
