"""``sidecar config check``: every problem at once, or a summary of what holds."""

from command_line import run
from distributions import install

SPOILT = """\
derive = false
[probes.one]
kind = "http"
url = "http://127.0.0.1:1/"
interval = "soon"
[probes.two]
kind = "htpt"
[server]
port = 70000
"""


def test_all_problems_are_told_at_once(tmp_path):
    """One line each, with file, line and key, after a line that counts them."""
    (tmp_path / "x.toml").write_text(SPOILT)
    done = run("config", "check", "--config", "x.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    heading, *problems = done.stderr.splitlines()
    assert heading == "sidecar: cannot use the configuration: 3 problems"
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["x.toml:5", "probes.one.interval"],
        ["x.toml:7", "probes.two.kind"],
        ["x.toml:9", "server.port"],
    ]
    assert problems[1].endswith('did you mean "http"?')


def test_a_single_problem_is_a_single_line(tmp_path):
    """Nothing to count."""
    (tmp_path / "x.toml").write_text("derive = 1")
    done = run("config", "check", "--config", "x.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("sidecar: x.toml:1: derive: found 1, expected true or false")
    assert done.stderr.count("\n") == 1


def test_a_valid_configuration_is_summed_up(tmp_path):
    """What is probed, how often, and what a failure means, in columns; then the ports, the drain and the remarks."""
    (tmp_path / "x.toml").write_text('[probes.mcp]\ninterval = "2m"\non_failure = "unready"')
    done = run("config", "check", "--config", "x.toml", cwd=tmp_path, GATEWAY_PORT="8123")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "x.toml: valid"
    assert lines[2:6] == [
        "PROBE    KIND     LOOKS AT  EVERY  WITHIN  ON FAILURE  STARTUP",
        "gateway  http     gateway   5s     2s      drain       must pass",
        "mcp      mcp      gateway   2m     2s      unready     must pass",
        "process  process  gateway   5s     2s      drain       must pass",
    ]
    assert "health port  every address, port 9000" in lines
    assert "gateway      127.0.0.1, port 8123" in lines
    assert "drain        after 30s of unbroken local failure" in lines
    assert "remark       cache: not probed, REDIS_URL is not set" in lines


def test_a_drain_that_only_pretends_is_said(tmp_path):
    """Whoever reads the summary knows whether a signal will ever be sent."""
    for drain, words in [("shadow = true", "all but the signal"), ("enabled = false", "never")]:
        (tmp_path / "x.toml").write_text(f"[drain]\n{drain}")
        done = run("config", "check", "--config", "x.toml", cwd=tmp_path)
        [line] = [line for line in done.stdout.splitlines() if line.startswith("drain ")]
        assert words in line


def test_a_third_partys_kind_that_does_not_import_is_one_of_the_problems(tmp_path):
    """It is told with file and line like any other mistake, and without a traceback."""
    site = install(tmp_path / "site", "odd", "import nothing_of_that_name", odd="odd:KIND")
    (tmp_path / "x.toml").write_text('[probes.odd]\nkind = "odd"')
    done = run("config", "check", "--config", "x.toml", cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 2
    assert done.stderr == (
        "sidecar: x.toml:2: probes.odd.kind: cannot load probe kind 'odd' from odd:KIND: "
        "ModuleNotFoundError: No module named 'nothing_of_that_name'; mend or uninstall the package that offers it\n"
    )
