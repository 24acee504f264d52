"""The ``heartbeat`` kind, with real files."""

import os
import re
import threading
import time

import pytest
from servers.looking import look, make_probe

from probes import heartbeat
from probes.heartbeat import KIND, Spec
from sidecar.contract import Evidence, GatewayPlan, OnFailure, Outcome, Target

pytestmark = pytest.mark.anyio

TOKEN = "a long enough token"


@pytest.fixture
def file(tmp_path):
    """Where a job reports, which it has not done yet."""
    return tmp_path / "last run"


def touch(file, *, ago: float = 0.0) -> None:
    """Report now, or as if it had been some seconds ago."""
    file.touch()
    at = time.time_ns() - int(ago * 1e9)
    os.utime(file, ns=(at, at))


@pytest.fixture
def missed(monkeypatch):
    """Look when a report was due and did not come. Only time makes it fail, and a test need not wait for that."""

    async def look_later(probe):
        genuine = heartbeat._now
        monkeypatch.setattr(heartbeat, "_now", lambda: genuine() + 91.0)  # a minute, and the grace
        verdict = await look(probe)
        assert verdict.outcome is Outcome.FAIL
        return verdict

    return look_later


async def test_a_file_that_was_touched_passes(file):
    """The age is shown."""
    touch(file, ago=20)
    verdict = await look(make_probe(KIND, file=str(file), every=60.0))
    assert verdict.outcome is Outcome.PASS
    assert re.fullmatch(r"a report comes every 60 s, or 30 s later: found one 2\d\.\d s ago", verdict.reason)
    assert 20 <= verdict.observation.notes["age_seconds"] < 30


async def test_a_report_that_does_not_come_again_is_missed(file, missed):
    """It passes for as long as allowed, and then fails as silent."""
    touch(file)
    probe = make_probe(KIND, file=str(file), every=60.0)
    assert (await look(probe)).outcome is Outcome.PASS
    verdict = await missed(probe)
    assert verdict.evidence is Evidence.SILENT
    assert re.search(r"found the last one \d+ s ago$", verdict.reason)


async def test_a_new_report_heals(file, missed):
    """Touching the file again is enough."""
    probe = make_probe(KIND, file=str(file), every=60.0)
    await missed(probe)
    touch(file)
    assert (await look(probe)).outcome is Outcome.PASS


async def test_nothing_yet_is_unknown_until_a_report_was_due(file, missed):
    """Whoever reports in may have been started together with the sidecar."""
    verdict = await look(make_probe(KIND, file=str(file), every=60.0))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    verdict = await missed(make_probe(KIND, file=str(file), every=60.0))
    assert verdict.evidence is Evidence.SILENT
    assert re.search(r"found none in \d+ s$", verdict.reason)


async def test_an_old_file_is_no_report_but_no_failure_at_once(file, missed):
    """It may be left over from before the machine started."""
    touch(file, ago=3600)
    verdict = await look(make_probe(KIND, file=str(file), every=60.0))
    assert verdict.outcome is Outcome.UNKNOWN
    assert re.search(
        r"none yet in [\d.]+ s, and the last one 36\d\d s ago, before the sidecar was there$", verdict.reason
    )
    assert re.search(r"the last one 36\d\d s ago$", (await missed(make_probe(KIND, file=str(file), every=60.0))).reason)


async def test_a_time_in_the_future_does_not_pass_for_ever(file, missed):
    """It counts from when it was first seen, whatever it says."""
    touch(file, ago=-1e9)
    probe = make_probe(KIND, file=str(file), every=60.0)
    assert (await look(probe)).observation.notes["age_seconds"] == pytest.approx(0, abs=0.5)
    assert (await missed(probe)).evidence is Evidence.SILENT


async def test_a_wall_clock_that_jumps_does_not_matter(file, monkeypatch):
    """Once seen, a report ages by a clock that nobody sets."""
    touch(file)
    probe = make_probe(KIND, file=str(file), every=60.0)
    assert (await look(probe)).outcome is Outcome.PASS
    genuine = time.time_ns
    for jump in (3600, -3600):
        monkeypatch.setattr(time, "time_ns", lambda jump=jump: genuine() + jump * 10**9)  # nobody sets a test's clock
        verdict = await look(probe)
        assert (verdict.outcome, verdict.observation.notes["age_seconds"] < 30) == (Outcome.PASS, True)


async def test_a_file_that_goes_away_is_missed_in_time(file, missed):
    """What it said last counts for as long as it would have."""
    touch(file)
    probe = make_probe(KIND, file=str(file), every=60.0)
    assert (await look(probe)).outcome is Outcome.PASS
    file.unlink()
    assert (await missed(probe)).evidence is Evidence.SILENT


@pytest.mark.parametrize("name", ["plain/file", "x" * 300])
async def test_a_path_that_cannot_be_looked_at(tmp_path, name):
    """It proves nothing about whoever reports: unknown, with the path."""
    (tmp_path / "plain").touch()
    verdict = await look(make_probe(KIND, file=str(tmp_path / name), every=60.0))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert "the file can be looked at" in verdict.reason


async def test_a_file_system_that_hangs_holds_nobody_up(file, monkeypatch):
    """Nothing is proven while it does, and one thread waits for it, however often the probe looks."""
    touch(file)
    released, asked, real = threading.Event(), [], os.stat

    def hangs(path, *arguments, **keys):
        if path != str(file):
            return real(path, *arguments, **keys)
        asked.append(path)
        released.wait(60)
        return real(path)

    monkeypatch.setattr("os.stat", hangs)
    probe = make_probe(KIND, file=str(file), every=60.0, timeout=0.1)
    try:
        for _ in range(2):
            verdict = await look(probe, within=30)
            assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
            assert verdict.reason == f"the file can be looked at: found no answer from the file system ({file})"
    finally:
        released.set()
    probe = make_probe(KIND, file=str(file), every=60.0)
    assert (await look(probe)).outcome is Outcome.PASS
    assert asked == [str(file)] * 2


async def test_a_report_with_the_token_passes():
    """The token alone decides."""
    probe = make_probe(KIND, token=TOKEN, every=60.0)
    assert (await look(probe)).outcome is Outcome.UNKNOWN
    assert probe.beat(TOKEN.encode())
    assert (await look(probe)).outcome is Outcome.PASS


@pytest.mark.parametrize("credential", [b"", b"a long enough", b"A LONG ENOUGH TOKEN", TOKEN.encode() + b" ", b"\xff"])
async def test_a_report_with_a_wrong_token_is_none(credential):
    """Nothing changes."""
    probe = make_probe(KIND, token=TOKEN, every=60.0)
    assert not probe.beat(credential)
    assert (await look(probe)).outcome is Outcome.UNKNOWN


async def test_without_a_token_nobody_can_report_by_post(file):
    """An empty credential is none either."""
    probe = make_probe(KIND, file=str(file), every=60.0)
    assert not probe.beat(b"")


async def test_both_ways_together(file):
    """The later report counts, whichever way it came."""
    touch(file, ago=50)
    probe = make_probe(KIND, file=str(file), token=TOKEN, every=60.0)
    assert (await look(probe)).observation.notes["age_seconds"] >= 50
    assert probe.beat(TOKEN.encode())
    touch(file, ago=40)
    assert (await look(probe)).observation.notes["age_seconds"] < 30


async def test_what_a_failure_means_by_default():
    """Whoever reports in is an upstream."""
    spec = Spec(every=1.0, file="x")
    assert (KIND.on_failure, KIND.target(spec, GatewayPlan())) == (OnFailure.DEGRADE, Target.UPSTREAM)


@pytest.mark.parametrize(("keys", "words"), [({}, "neither"), ({"file": "a\0b"}, "NUL")])
async def test_settings_that_cannot_be_used(keys, words):
    """They are errors of the configuration."""
    with pytest.raises(ValueError, match=words):
        Spec(every=1.0, **keys)
