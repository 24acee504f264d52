"""``sidecar init``: a file that fits where it was written."""

import pytest
from command_line import run

RAILWAY = {"RAILWAY_PROJECT_ID": "x", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "20"}


def test_what_it_writes_is_valid_and_holds_no_value_of_a_variable(tmp_path):
    """Derived probes with the variable that calls for them, and a word on those that are not there."""
    secrets = {"REDIS_URL": "redis://app:hunter2@cache:6379/0", "SIDECAR_TOKEN": "hunter2hunter2"}
    done = run("init", cwd=tmp_path, **secrets)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "conf/sidecar.toml is written: read it, then try `sidecar check --config conf/sidecar.toml`\n"
    text = (tmp_path / "conf" / "sidecar.toml").read_text()
    assert "hunter2" not in text
    assert "# redis: probed because REDIS_URL is set.\n[probes.cache]\n" in text
    assert "# database: not probed, DATABASE_URL is not set.\n" in text
    assert list((tmp_path / "conf").iterdir()) == [tmp_path / "conf" / "sidecar.toml"]
    assert run("config", "check", cwd=tmp_path, **secrets).returncode == 0


def test_it_is_tuned_to_the_platform(tmp_path):
    """On Railway a later 503 moves no traffic; under Kubernetes it takes a while until it does."""
    railway = run("init", "--output", "-", cwd=tmp_path, **RAILWAY).stdout
    assert '\nlame_duck = "0s"\n' in railway
    assert '\nlinger = "19s"\n' in railway
    assert '\nlame_duck = "30s"\n' in run("init", "--output", "-", cwd=tmp_path, KUBERNETES_SERVICE_HOST="x").stdout
    assert "\nlame_duck" not in run("init", "--output", "-", cwd=tmp_path).stdout


def test_the_gateway_is_looked_for(tmp_path, start_listener, free_port):
    """Who listens on its port, and that he could be drained."""
    listening = start_listener(free_port)
    done = run("init", "--output", "-", cwd=tmp_path, GATEWAY_PORT=str(free_port))
    assert f"# At 127.0.0.1, port {free_port} process {listening.pid} listens, and could be drained.\n" in done.stdout


def test_a_file_is_replaced_only_by_force(tmp_path):
    """Nobody's work is lost."""
    (tmp_path / "x.toml").write_text("precious")
    done = run("init", "--output", "x.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sidecar: cannot write x.toml: it is there already; replace it with --force\n"
    assert (tmp_path / "x.toml").read_text() == "precious"
    assert run("init", "--output", "x.toml", "--force", cwd=tmp_path).returncode == 0
    assert "[probes.gateway]" in (tmp_path / "x.toml").read_text()


@pytest.mark.parametrize("output", ["x/y.toml", "."])
def test_where_nothing_can_be_written_is_told(tmp_path, output):
    """With the cause, and no draft is left."""
    (tmp_path / "x").write_text("a file")
    done = run("init", "--force", "--output", output, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"sidecar: cannot write {output}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
