"""Maintenance survives a restart of the sidecar, of the machine, and a clock that was set meanwhile."""

import json
import time

import pytest

from sidecar import maintenance
from sidecar.clock import boottime
from sidecar.core.errors import SidecarError
from sidecar.core.state import Maintenance
from sidecar.maintenance import _recalled, _Written, forget, keep, recall

WRITTEN = _Written(reason="an upgrade", by="root", boot_id="this", since=100.0, until=700.0, wall_until=5000.0)


@pytest.mark.parametrize(
    ("boot", "now", "wall", "left"),
    [
        ("this", 400.0, 4700.0, 300.0),
        ("this", 400.0, 9_999_999.0, 300.0),
        ("this", 400.0, 0.0, 300.0),
        ("this", 700.0, 4700.0, None),
        ("next", 10.0, 4700.0, 300.0),
        ("next", 10.0, 5000.0, None),
        ("next", 10.0, 0.0, 600.0),
    ],
    ids=["same boot", "set forward", "set back", "over", "rebooted", "rebooted, over", "rebooted, clock lost"],
)
def test_how_much_is_left(boot, now, wall, left):
    """Within one boot the clock on the wall counts for nothing; after it, for no more than was meant."""
    recalled = _recalled(WRITTEN, boot, now, wall)
    if left is None:
        assert recalled is None
    else:
        assert recalled == Maintenance(reason="an upgrade", by="root", since=now + left - 600.0, until=now + left)


def test_what_is_kept_is_recalled_until_it_is_forgotten(tmp_path):
    """For each health port its own."""
    word = Maintenance(reason="an upgrade", by="root", since=boottime(), until=boottime() + 600.0)
    keep(str(tmp_path), 9000, word)
    recalled = recall(str(tmp_path), 9000)
    assert (recalled.reason, recalled.by) == ("an upgrade", "root")
    assert recalled.until == pytest.approx(word.until)
    assert recall(str(tmp_path), 9001) is None
    forget(str(tmp_path), 9000)
    assert recall(str(tmp_path), 9000) is None


def test_what_is_over_is_removed(tmp_path):
    """Nobody has to clear up."""
    keep(str(tmp_path), 9000, Maintenance(reason="x", by="root", since=boottime() - 2.0, until=boottime() - 1.0))
    assert recall(str(tmp_path), 9000) is None
    assert list(tmp_path.iterdir()) == []


def test_the_end_on_the_wall_is_written_down(tmp_path):
    """For after the next boot."""
    keep(str(tmp_path), 9000, Maintenance(reason="x", by="root", since=boottime(), until=boottime() + 600.0))
    written = json.loads((tmp_path / "maintenance-9000.json").read_text())
    assert written["wall_until"] == pytest.approx(time.time() + 600.0, abs=60.0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"reason": 1}', "\udce4"])
def test_a_file_that_is_none_of_ours_is_told(tmp_path, text):
    """With its name; it is left where it is."""
    path = tmp_path / maintenance._name(9000)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SidecarError, match=r"cannot read the maintenance in .*maintenance-9000\.json: "):
        recall(str(tmp_path), 9000)
    assert path.exists()
