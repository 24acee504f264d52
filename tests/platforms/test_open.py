"""The platform that the plan names."""

import subprocess
import sys

import pytest
from servers.railway import API_TOKEN

from sidecar.core.plan import Plan
from sidecar.core.rules import PlatformKind, RailwayPlan, RollbackPlan
from sidecar.platforms import open_platform
from sidecar.platforms.command import Command
from sidecar.platforms.contract import PlatformError
from sidecar.platforms.railway import Railway

TOKEN = RailwayPlan(api_token=API_TOKEN)


def plan(railway=TOKEN, **rules):
    """A plan with these rules of rollbacks."""
    return Plan(probes=(), rollback=RollbackPlan(**rules), railway=railway)


@pytest.mark.parametrize(("kind", "made"), [(PlatformKind.RAILWAY, Railway), (PlatformKind.COMMAND, Command)])
def test_the_platform_of_the_plan_is_made(kind, made):
    """By its name."""
    assert isinstance(open_platform(plan(platform=kind, argv=("roll-back",)), user_agent="x"), made)


def test_without_a_name_there_is_none():
    """Then a bad release is held for people."""
    assert open_platform(plan(), user_agent="x") is None


def test_in_parent_mode_the_sidecar_itself_is_the_platform():
    """It is handed in, because only its composition root can make it; elsewhere there is none."""
    by_parent, parent = plan(platform=PlatformKind.PARENT), Command(("x",), timeout=1.0)
    assert open_platform(by_parent, user_agent="x", parent=parent) is parent
    assert open_platform(by_parent, user_agent="x") is None


def test_a_plan_that_cannot_be_used_is_told():
    """At the start, not when it is needed."""
    with pytest.raises(PlatformError, match="without a token"):
        open_platform(plan(RailwayPlan(), platform=PlatformKind.RAILWAY), user_agent="x")


def test_the_http_client_is_loaded_for_railway_alone():
    """It would cost memory in every sidecar."""
    code = "import sidecar.actors.rollback, sidecar.platforms.command, sys; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
