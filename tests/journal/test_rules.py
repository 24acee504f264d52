"""What the journal keeps of a plan."""

from builders import NoSpec, plan, probe
from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.journal.entries import write_entry
from sidecar.core.plan import Secret
from sidecar.journal.recorder import Recorder
from sidecar.journal.rules import fingerprint, watched


class Login(Struct, frozen=True):
    """Settings with a secret."""

    password: Secret
    user: str = "root"


def of(spec):
    """A plan with one probe that has these settings."""
    return plan(replace(probe("web"), spec=spec))


def test_another_rule_is_another_fingerprint():
    """A threshold, a setting of the drain."""
    assert fingerprint(plan(probe("web"))) == fingerprint(plan(probe("web")))
    assert fingerprint(plan(probe("web"))) != fingerprint(plan(probe("web", failure_threshold=9)))
    assert fingerprint(plan(probe("web"))) != fingerprint(plan(probe("web"), drain_after=9.0))


def test_what_a_probe_looks_for_has_a_fingerprint_of_its_own():
    """It differs with the kind's settings, and not with thresholds, which a replay can change."""
    [plain], [login], [slower] = watched(of(NoSpec())), watched(of(Login("x"))), watched(plan(probe("web")))
    assert plain.settings == slower.settings
    assert plain.settings != login.settings
    [another] = watched(of(Login("x", "nobody")))
    assert login.settings != another.settings


def test_a_secret_leaves_no_trace():
    """Neither itself nor by its fingerprint, from which a short one could be guessed."""
    assert watched(of(Login("one"))) == watched(of(Login("two")))
    assert fingerprint(of(Login("one"))) == fingerprint(of(Login("two")))
    entries = []
    Recorder(of(Login("hunter2-hunter2")), "r1", entries.append, now=0.0, wall=1.7e9)
    assert b"hunter2" not in b"".join(map(write_entry, entries))
