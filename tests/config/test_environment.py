"""Ports, token and release: the file's word, else the environment's, else the default."""

from collections.abc import Callable

import pytest

from sidecar.core.plan import Plan

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "environ", "health", "gateway"),
    [
        ("", {}, 9000, 8000),
        ("", {"SIDECAR_PORT": "9100", "GATEWAY_PORT": "8100"}, 9100, 8100),
        ("", {"PORT": "3000"}, 3000, 8000),
        ("", {"PORT": "3000", "SIDECAR_PORT": "9100"}, 9100, 8000),
        ("", {"SIDECAR_PORT": "", "PORT": ""}, 9000, 8000),
        ("", {"PORT": "5100", "HONCHO_PROCESS_NAME": "health.1"}, 9000, 8000),
        ("", {"PORT": "5100", "OVERMIND_PROCESS_health_PORT": "5100"}, 9000, 8000),
        ("", {"PORT": "5100", "PS": "health.1"}, 9000, 8000),
        ("", {"PORT": "5100", "PS": "something else"}, 5100, 8000),
        ("", {"PORT": "5100", "PS": "health.1", "SIDECAR_PORT": "9100"}, 9100, 8000),
        ("[server]\nport = 9200", {"SIDECAR_PORT": "9100", "PORT": "3000"}, 9200, 8000),
        ('[server]\nport = "${SIDECAR_PORT:-9300}"', {}, 9300, 8000),
        ("[gateway]\nport = 8200", {"GATEWAY_PORT": "8100"}, 9000, 8200),
    ],
)
def test_ports_are_settled(plan_of: Load, text: str, environ: dict[str, str], health: int, gateway: int) -> None:
    """The file, then the variable of that name, then the platform's PORT unless a process manager made it up."""
    plan = plan_of(text, environ)
    assert (plan.server.port, plan.gateway.port) == (health, gateway)


@pytest.mark.parametrize(
    ("text", "environ", "directory"),
    [
        ("", {}, None),
        ("", {"STATE_DIRECTORY": "/var/lib/sidecar"}, "/var/lib/sidecar"),
        ("", {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/root"}, "/var/lib/a"),
        ("", {"XDG_STATE_HOME": "/state/", "HOME": "/root"}, "/state/mcp-gateway-sidecar"),
        ("", {"XDG_STATE_HOME": "state", "HOME": "/root"}, "/root/.local/state/mcp-gateway-sidecar"),
        ("", {"STATE_DIRECTORY": "", "XDG_STATE_HOME": "", "HOME": ""}, None),
        ('[state]\ndir = "/data"', {"STATE_DIRECTORY": "/var/lib/sidecar"}, "/data"),
        ('[state]\ndir = "${DATA}/sidecar"', {"DATA": "/data"}, "/data/sidecar"),
    ],
)
def test_state_directory_is_settled(plan_of: Load, text: str, environ: dict[str, str], directory: str | None) -> None:
    """The file, then the service manager's place, then the user's; without any of them there is none."""
    assert plan_of(text, environ).state.dir == directory


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8000.0", " 8000", "9" * 5000])
@pytest.mark.parametrize("variable", ["SIDECAR_PORT", "GATEWAY_PORT", "PORT"])
def test_port_that_is_none_is_an_error(problems_of: Problems, variable: str, port: str) -> None:
    """A port out of range, or no number at all, is refused with the variable that holds it."""
    (line,) = problems_of("", {variable: port})
    assert line.startswith(f"environment: {variable}: found a string of ")
    assert line.endswith("expected a whole number from 1 to 65535")


@pytest.mark.parametrize(
    ("text", "environ", "problem"),
    [
        (
            "[server]\nport = 8000",
            {},
            "x.toml:2: server.port: found 8000 (server.port), "
            "expected a port other than the gateway's, 8000 (the default)",
        ),
        (
            "",
            {"PORT": "8000"},
            "environment: PORT: found 8000 (from PORT), expected a port other than the gateway's, 8000 (the default)",
        ),
        (
            "[gateway]\nport = 7000",
            {"SIDECAR_PORT": "7000"},
            "environment: SIDECAR_PORT: found 7000 (from SIDECAR_PORT), "
            "expected a port other than the gateway's, 7000 (gateway.port)",
        ),
        (
            "",
            {"GATEWAY_PORT": "9000"},
            "x.toml: server.port: found 9000 (the default), "
            "expected a port other than the gateway's, 9000 (from GATEWAY_PORT)",
        ),
    ],
)
def test_equal_ports_are_an_error(problems_of: Problems, text: str, environ: dict[str, str], problem: str) -> None:
    """The error says where each of the two comes from."""
    assert problems_of(text, environ) == [f"{problem}; set SIDECAR_PORT or GATEWAY_PORT"]


def test_token_comes_from_the_file_or_the_environment(plan_of: Load) -> None:
    """SIDECAR_TOKEN stands in where the file has none, and is a secret either way; an empty one is none."""
    assert plan_of("", {"SIDECAR_TOKEN": "long enough"}).server.token == "long enough"
    assert plan_of("", {"SIDECAR_TOKEN": "long enough"}).secrets == {"long enough"}
    assert plan_of("", {"SIDECAR_TOKEN": ""}).server.token is None
    plan = plan_of('[server]\ntoken = "from the file"', {"SIDECAR_TOKEN": "long enough"})
    assert plan.server.token == "from the file"


def test_release_is_named_after_commit_and_configuration(plan_of: Load) -> None:
    """Another commit is another release, and so is another configuration; without a commit there is no name."""
    commit = {"RAILWAY_GIT_COMMIT_SHA": "0123456789abcdef0123456789abcdef01234567"}
    first = plan_of("", commit).release
    assert first == "0123456789ab+e3b0c442"
    assert plan_of("# changed", commit).release != first
    assert plan_of("", {"GIT_SHA": "f" * 40}).release == "ffffffffffff+e3b0c442"
    assert plan_of('[release]\nid = "v7"', commit).release == "v7"
    assert plan_of("").release is None
