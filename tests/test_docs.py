"""The documentation is true: its examples are taken from the pages and run."""

import json
import os
import re
import time
from functools import partial
from pathlib import Path

import pytest
import tomli
from anyio import to_thread
from builders import plan, probe
from command_line import run
from distributions import install
from msgspec.structs import replace
from servers.http import OK, answer, serving

from sidecar.contract import Evidence, Run
from sidecar.core.notices.notice import Teller, write_test
from sidecar.core.notices.rows import _TABLE
from sidecar.core.notices.topic import FLAPPING, OVER, REMINDER, STEADY
from sidecar.core.plan import StatePlan
from sidecar.core.releases.outlook import outlook
from sidecar.core.rules import PlatformKind, ReleaseMode, ReleasePlan, RollbackPlan
from sidecar.store import open_store

DOCS = Path(__file__).parent.parent / "docs"


def examples(page, language):
    """The examples in one language on a page, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(tmp_path):
    """The documented kind, installed as its documented project says."""
    [module] = examples("probes.md", "python")
    project = tomli.loads(examples("probes.md", "toml")[0])["project"]
    kinds = project["entry-points"]["sidecar.probes"]
    assert project["name"].replace("-", "_") == "sidecar_file_age"
    return install(tmp_path / "site", "sidecar_file_age", module, **kinds)


@pytest.fixture
def configuration(tmp_path):
    """The documented configuration, with a file that can be written here."""
    table = examples("probes.md", "toml")[1]
    assert '"/var/backups/gateway.dump"' in table
    path = tmp_path / "sidecar.toml"
    path.write_text("derive = false\n" + table.replace("/var/backups/gateway.dump", str(tmp_path / "dump")))
    return path


def test_the_documented_kind_fits_into_twenty_lines():
    """Blank ones not counted."""
    [module] = examples("probes.md", "python")
    assert len([line for line in module.splitlines() if line.strip()]) <= 20


def test_the_documented_kind_says_what_the_page_shows(site, configuration, tmp_path):
    """Installed as a distribution of its own, it is found by its entry point, and fails with the shown reason."""
    dump = tmp_path / "dump"
    dump.write_bytes(b"backup")
    os.utime(dump, (time.time() - 180_000,) * 2)
    done = run("check", "--config", configuration, cwd=tmp_path, PYTHONPATH=str(site))
    [shown] = examples("probes.md", "console")
    assert without_times(done.stdout).startswith(without_times(shown))
    assert done.returncode == 1


def without_times(table):
    """A table without what differs from run to run."""
    return re.sub(r" +[\d.]+ ms| +TIME| found \d+ s", "", table)


def test_the_documented_kind_passes_and_notes_the_size(site, configuration, tmp_path):
    """A file that was just written is young enough."""
    (tmp_path / "dump").write_bytes(b"backup")
    done = run("check", "--json", "--config", configuration, cwd=tmp_path, PYTHONPATH=str(site))
    probe = json.loads(done.stdout)["probes"]["backup"]
    assert (probe["outcome"], probe["notes"]) == ("pass", {"size_bytes": 6})


def test_the_documented_kind_fails_without_the_file(site, configuration, tmp_path):
    """A failure from deep down."""
    done = run("check", "--config", configuration, cwd=tmp_path, PYTHONPATH=str(site))
    assert f"the file exists: found no {tmp_path}/dump" in done.stdout
    assert done.returncode == 1


def test_the_documented_kinds_keys_are_checked_like_any_others(site, configuration, tmp_path):
    """A mistake in a third party's table is told with its line, and the right name."""
    configuration.write_text(configuration.read_text().replace("max_age", "maxage"))
    done = run("config", "check", "--config", configuration, cwd=tmp_path, PYTHONPATH=str(site))
    assert done.stderr == f'sidecar: {configuration}:5: probes.backup.maxage: unknown key; did you mean "max_age"?\n'


@pytest.mark.anyio
async def test_the_shape_of_the_json_is_the_documented_one(tmp_path):
    """Every key of the example is there, in its place and of its type, and no other."""
    [shown] = examples("commands.md", "json")
    async with serving(answer(OK)) as server:
        (tmp_path / "sidecar.toml").write_text(f"""
            derive = false
            [probes.gateway]
            kind = "http"
            url = "{server.url()}"
            [probes.off]
            kind = "process"
            enabled = false
        """)
        check = partial(run, "check", "--json", "--config", "sidecar.toml", cwd=tmp_path)
        done = await to_thread.run_sync(check)
    assert shape(json.loads(done.stdout)) == shape(json.loads(shown))


def shape(value):
    """Keys and types; of a list those of its first element, of the notes none, because they differ."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items() if key != "notes"}
    return [shape(value[0])] if isinstance(value, list) else type(value).__name__


def test_the_documented_words_of_the_contract_exist():
    """Every kind of evidence is explained, and every name that the page's table of calls mentions is there."""
    page = (DOCS / "probes.md").read_text()
    assert set(re.findall(r"^\| `([A-Z]+)` \|", page, re.MULTILINE)) == {evidence.name for evidence in Evidence}
    for call in re.findall(r"`run\.(\w+)\(", page):
        assert callable(getattr(Run, call))


def test_the_documented_comparison_says_what_the_page_shows(capsys):
    """The example of a release held against its baseline, run."""
    [example], [shown] = examples("releases.md", "python"), examples("releases.md", "text")
    exec(compile(example, "releases.md", "exec"), {})  # noqa: S102 - it is ours
    assert capsys.readouterr().out == shown


def test_the_documented_prospects_of_a_bad_release_are_what_the_start_says():
    """Each of the sentences, to the letter; the second with the reason of a sidecar that has no store."""
    judged, railway = ReleasePlan(id="2"), RollbackPlan(platform=PlatformKind.RAILWAY)
    forgetful = open_store(StatePlan(), 9000).unfit
    said = [
        outlook(replace(plan(probe("web")), release=release, rollback=rollback), unfit)
        for release, rollback, unfit in (
            (judged, railway, None),
            (judged, railway, forgetful),
            (judged, RollbackPlan(), None),
            (replace(judged, mode=ReleaseMode.SHADOW), railway, None),
        )
    ]
    page = (DOCS / "releases.md").read_text()
    assert page.partition("by one of these sentences")[2].split("```\n")[1].splitlines() == said


def test_every_message_has_its_section_in_the_runbook_and_every_section_its_message():
    """By kind and event, as a webhook's type ends; ``*`` stands for every kind."""
    test = write_test(Teller(replica="r"), 0.0)
    messages = {f"{row.kind}.{word or event}" for (event, word), row in _TABLE.items()}
    messages |= {f"{test.kind}.{test.event}", *(f"*.{word}" for word in (FLAPPING, STEADY, REMINDER, OVER))}
    page = (DOCS / "runbook.md").read_text()
    sections = page.partition("\n## Messages")[2].partition("\n## ")[0].split("\n\n**")[1:]
    assert {name for section in sections for name in named_in(section)} == messages
    assert all(named_in(section) for section in sections)


def named_in(section):
    """The messages that a section is about: its heading names them, or its points if it is a list."""
    heading, _, steps = section.partition("\n")
    return re.findall(r"`([a-z]+\.[a-z_]+|\*\.[a-z]+)`", section if steps.startswith("- ") else heading)
