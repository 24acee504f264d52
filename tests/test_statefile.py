"""Small files that survive: whole or not at all."""

import stat
from pathlib import Path

import pytest

from sidecar.core.errors import SidecarError
from sidecar.statefile import READ_AT_MOST, read_state, remove_state, write_state


def test_what_is_written_is_read_again(tmp_path):
    """The directory is made, and both are for their owner alone."""
    directory = str(tmp_path / "state of ours" / "sidecar")
    assert read_state(directory, "word") is None
    write_state(directory, "word", b"one")
    write_state(directory, "word", b"two")
    assert read_state(directory, "word") == b"two"
    [file] = Path(directory).iterdir()
    assert file.name == "word"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]
    remove_state(directory, "word")
    remove_state(directory, "word")
    assert read_state(directory, "word") is None


def test_a_failed_write_leaves_the_file_before_it_and_no_draft(tmp_path):
    """Here the new file cannot take the place of a directory."""
    (tmp_path / "word" / "full").mkdir(parents=True)
    with pytest.raises(SidecarError, match=r"cannot write .*/word: "):
        write_state(str(tmp_path), "word", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["word"]


def test_what_cannot_be_a_file_of_ours_is_refused(tmp_path):
    """A file of any size, a link to anywhere, a directory that is a file: told in one line, and never waited for."""
    (tmp_path / "huge").write_bytes(b"x" * (READ_AT_MOST + 1))
    (tmp_path / "link").symlink_to(tmp_path / "huge")
    for name in ("huge", "link"):
        with pytest.raises(SidecarError, match=f"cannot read .*/{name}: "):
            read_state(str(tmp_path), name)
    with pytest.raises(SidecarError, match="cannot write"):
        write_state(str(tmp_path / "huge"), "word", b"x")
    with pytest.raises(SidecarError, match="cannot write"):
        write_state("nul\0", "word", b"x")
