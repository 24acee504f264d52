"""``sidecar notify test``: a message to each sink, and what comes of it."""

import re
from functools import partial

import pytest
from anyio import to_thread
from command_line import run
from servers.http import whole
from servers.receiver import receiving

pytestmark = pytest.mark.anyio


def written(tmp_path, **sinks):
    """Write a configuration with these sinks, of which each is a line or more of TOML."""
    path = tmp_path / "sidecar.toml"
    path.write_text("\n".join(f"[notify.sinks.{name}]\n{table}" for name, table in sinks.items()))
    return path


def webhook(receiver, more=""):
    """The table of a webhook."""
    return f'kind = "webhook"\nurl = "{receiver.url("/hunter2")}"\n{more}'


async def notify(tmp_path, *arguments, **variables):
    """Run the command in a thread, because the receivers need the loop."""
    call = partial(run, "notify", "test", "--config", tmp_path / "sidecar.toml", *arguments, cwd=tmp_path, **variables)
    done = await to_thread.run_sync(call)
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


async def test_every_sink_gets_a_message(tmp_path):
    """Whatever it asks to be told; webhook and Apprise alike."""
    async with receiving() as hook, receiving() as service:
        apprise = f'kind = "apprise"\nurl = "json://127.0.0.1:{service.server.port}/hunter2"'
        written(tmp_path, ops=webhook(hook, 'severity = "error"\nkinds = ["drain"]'), chat=apprise)
        done = await notify(tmp_path, RAILWAY_REPLICA_ID="web-1", GIT_SHA="0123456789abcdef")
        event = (await hook.next()).event
        message = (await service.next()).event
    assert (done.returncode, done.stderr) == (0, "")
    heading, *rows = (line.split()[:3] for line in done.stdout.splitlines())
    assert heading == ["SINK", "KIND", "RESULT"]
    assert rows == [["ops", "webhook", "delivered"], ["chat", "apprise", "delivered"]]
    assert event["type"] == "mcp-gateway-sidecar.sidecar.test"
    assert event["data"]["release"].startswith("0123456789ab+")
    assert message["title"] == "[info] web-1: a test: whoever reads this is told of what happens"


async def test_one_sink_can_be_named(tmp_path):
    """The others get nothing."""
    async with receiving() as first, receiving() as second:
        written(tmp_path, first=webhook(first), second=webhook(second))
        assert (await notify(tmp_path, "second")).returncode == 0
        await second.next()
        assert first.deliveries.empty()


async def test_a_message_that_is_not_delivered_is_exit_status_1(tmp_path):
    """With the reason; the others are tried all the same."""
    async with receiving(whole(403)) as refusing, receiving() as well:
        written(tmp_path, refusing=webhook(refusing), well=webhook(well))
        done = await notify(tmp_path)
    assert done.returncode == 1
    assert re.search(r"^refusing +webhook +failed .* HTTP status 403$", done.stdout, re.MULTILINE)
    assert re.search(r"^well +webhook +delivered", done.stdout, re.MULTILINE)


async def test_a_sink_that_hangs_ends_with_its_time(tmp_path):
    """And the command with it, whatever thread is left behind."""

    async def hang(peer):
        await peer.until_hung_up()

    async with receiving(hang) as service:
        url = f"json://127.0.0.1:{service.server.port}/hunter2?rto=600"
        written(tmp_path, chat=f'kind = "apprise"\nurl = "{url}"\ntimeout = "1s"')
        done = await notify(tmp_path)
    assert done.returncode == 1
    assert "no answer within 1 s" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "sidecar: cannot send a message: embedded default has no table [notify.sinks.NAME]\n"),
        (["nobody"], 'sidecar: cannot send a message: there is no sink "nobody", but ops\n'),
    ],
)
async def test_nobody_to_be_told_is_exit_status_2(tmp_path, arguments, complaint):
    """Without a sink, or with a name that there is not."""
    if arguments:
        written(tmp_path, ops='kind = "webhook"\nurl = "http://127.0.0.1:9/"')
    call = partial(run, "notify", "test", *arguments, cwd=tmp_path)
    options = ["--config", tmp_path / "sidecar.toml"] if arguments else []
    done = await to_thread.run_sync(partial(call, *options))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", complaint)
