"""The gateway's own metrics become samples of real traffic, or nothing: never an error, never something made up."""

from math import inf

import anyio
import pytest
from servers.http import Peer, answer, endless, whole

from sidecar.clock import boottime
from sidecar.contract import GatewayPlan
from sidecar.core.releases.sample import BOUNDS, Sample, quantile
from sidecar.core.rules import ReleasePlan
from sidecar.traffic.scraper import BUCKETS_AT_MOST, PAGE_LIMIT, Scraper, count, difference

RULES = ReleasePlan()


def scraper(port, url="/metrics", **options):
    """A scraper of a gateway on loopback."""
    return Scraper(url, RULES, GatewayPlan(port=port), user_agent="sidecar/test", **options)


async def look(scraping):
    """Look once, which must end long before the test would be given up."""
    with anyio.fail_after(20):
        return await scraping.look()


def page(requests=(), latencies=(), born=1.0):
    """Write a page: requests by status, and the numbers of answers in the buckets up to 0.1, 0.5 and infinity."""
    lines = [f'http_requests_total{{status="{status}"}} {number}' for status, number in requests]
    reached = 0
    for bound, number in zip(("0.1", "0.5", "+Inf"), latencies, strict=False):
        reached += number
        lines.append(f'http_request_duration_seconds_bucket{{le="{bound}"}} {reached}')
    lines.append(f"process_start_time_seconds {born}")
    return ("\n".join(lines) + "\n").encode()


def between(before, now, rules=RULES):
    """What has come from one page to the other."""
    return difference(count(before, rules, 0.0), count(now, rules, 10.0))


@pytest.mark.anyio
async def test_what_a_gateway_counts_between_two_looks_is_a_sample(exporter):
    """A real exporter: routes are summed, errors apart, in the histogram too; what was before does not count."""
    exporter.serve(("/old", "200", 3.0, 7), ("/old", "500", 3.0, 2))
    scraping, first = scraper(exporter.port), boottime()
    assert await look(scraping) is None
    looked = boottime()
    exporter.serve(
        ("/mcp", "200", 0.2, 80), ("/tools", "200", 0.04, 15), ("/mcp", "404", 30.0, 3), ("/x", "503", 0.001, 4)
    )
    second = boottime()
    sample = await look(scraping)
    assert 102 / (boottime() - first) < scraping.rate < 102 / (second - looked)
    assert (sample.answers, sample.errors, sample.untimed, sample.total) == (98, 4, 0, 102)
    assert [quantile(sample, share) for share in (0.15, 0.5, 0.96, 0.99)] == [0.05, 0.25, 0.25, inf]
    assert scraping.trouble is None
    nothing = await look(scraping)
    assert (nothing, scraping.rate) == (Sample(), 0.0)


@pytest.mark.anyio
async def test_a_gateway_that_has_restarted_is_counted_anew(exporter):
    """What the new process has counted before the first look at it belongs to no interval."""
    exporter.serve(("/mcp", "200", 0.2, 5))
    scraping = scraper(exporter.port)
    await look(scraping)
    exporter.stop()
    assert await look(scraping) is None
    assert scraping.trouble == f"a connection to 127.0.0.1:{exporter.port} is accepted: found connection refused"
    exporter.start()
    exporter.serve(("/mcp", "200", 0.2, 50))
    assert await look(scraping) is None
    exporter.serve(("/mcp", "200", 0.2, 3))
    assert (await look(scraping)).total == 3


@pytest.mark.anyio
async def test_labelled_series_that_appear_count_from_nothing(exporter):
    """Before the first request there are none; that is told, and is no fault."""
    scraping = scraper(exporter.port)
    await look(scraping)
    lacking = "no histogram http_request_duration_seconds and no counter http_requests_total"
    assert scraping.trouble == f"the metrics are complete: found {lacking}"
    exporter.serve(("/mcp", "200", 0.2, 5), ("/mcp", "500", 0.2, 1))
    sample = await look(scraping)
    assert (sample.answers, sample.errors, scraping.trouble) == (5, 1, None)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (page([("200", 9)], (5, 4, 0)), page([("200", 8)], (5, 4, 0))),
        (page([("200", 9)], (5, 4, 0)), page([("200", 10)], (4, 5, 1))),
        (page([("200", 9), ("500", 2)]), page([("200", 99), ("500", 1)])),
        (page([("200", 9)], (5, 4, 0), born=1.0), page([("200", 90)], (50, 40, 0), born=2.0)),
        (page([("200", 9)], (5, 4, 0)), page([("200", 90)])),
        (page([("200", 9)], (5, 4, 0)), page([], (50, 40, 0))),
        (page([("200", 9)], (5, 4, 0)), page([("200", 90)], (50, 40, 0)).replace(b'"0.5"', b'"0.7"')),
        (page(), page()),
        (page([("200", 9)]), b""),
        (page(latencies=(5, 4)), page(latencies=(6, 5))),
        (page(latencies=(5, 4, 0)), page(latencies=(6, 5, 1)).replace(b'+Inf"} 12', b'+Inf"} 7')),
    ],
    ids=[
        "fewer requests",
        "fewer in a bucket",
        "fewer errors",
        "another process",
        "no histogram any more",
        "no counter any more",
        "other buckets",
        "never anything",
        "an empty page",
        "no unbounded bucket",
        "buckets that do not add up",
    ],
)
def test_pages_that_do_not_follow_each_other_say_nothing(before, now):
    """A restart or a change between them: the second is where counting starts anew."""
    assert between(before, now) is None


def test_an_answer_is_known_by_its_bucket_alone():
    """The histogram's own bounds are kept: it took longer than one, and no longer than the next."""
    sample = between(page([("200", 9)], (5, 4, 0)), page([("200", 29)], (15, 11, 3)))
    assert sample == Sample(answered={0: 10, 1: 7, 2: 3}, bounds=(0.1, 0.5))


def test_requests_that_no_histogram_has_seen_are_counted():
    """They have no latency; without any histogram no request has."""
    assert between(page([("200", 9)], (5, 4, 0)), page([("200", 39)], (15, 4, 0))) == Sample(
        answered={0: 10}, untimed=20, bounds=(0.1, 0.5)
    )
    assert between(page([("200", 9)]), page([("200", 39), ("502", 4)])) == Sample(untimed=30, errors=4, bounds=BOUNDS)


def test_a_histogram_alone_is_enough():
    """Then nothing is known of errors."""
    assert between(page(latencies=(5, 4, 0)), page(latencies=(6, 4, 0))) == Sample(answered={0: 1}, bounds=(0.1, 0.5))


@pytest.mark.parametrize(
    ("patterns", "errors"),
    [
        ({"status": "5.."}, 7),
        ({"status": "5"}, 0),
        ({"status": "4..|5.."}, 10),
        ({"status": "5..", "route": "/mcp"}, 4),
        ({"outcome": "error"}, 0),
        ({"outcome": ""}, 20),
        ({}, 0),
    ],
)
def test_an_error_is_what_every_pattern_matches_in_full(patterns, errors):
    """A label that is not there is empty, as for Prometheus; without patterns nothing is an error."""
    counter = b'http_requests_total{status="%d",route="%b"} %d\n'
    rows = [(200, b"/mcp", 10), (404, b"/mcp", 3), (500, b"/mcp", 4), (503, b"/x", 3)]
    counts = count(b"".join(counter % row for row in rows), ReleasePlan(metrics_errors=patterns), 0.0)
    assert (counts.requests, counts.errors) == (20, errors)


def test_too_many_buckets_are_refused():
    """No histogram for people has so many."""
    name = RULES.metrics_latency.encode()
    lines = b"".join(name + b'_bucket{le="%d"} 1\n' % bound for bound in range(BUCKETS_AT_MOST + 1))
    with pytest.raises(ValueError, match="more than 200 buckets"):
        count(lines, RULES, 0.0)


endless_page = endless(b"HTTP/1.1 200 OK\r\n\r\n", b'http_requests_total{status="200"} 1\n' * 1000)


async def half_a_page(peer: Peer) -> None:
    """Promise more than comes."""
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhttp_requests_total 1\n")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        (endless_page, f"are at most {PAGE_LIMIT >> 20} MiB: found more"),
        (half_a_page, "the connection was closed after 22 bytes of the body"),
        (answer(whole(503, b"http_requests_total 1\n")), "sends its metrics with status 200: found 503"),
        (answer(b"garbage\r\n\r\n"), "speaks HTTP/1.1: found"),
        (answer(whole(200, b"<html>no metrics</html>")), "found no histogram http_request_duration_seconds and no"),
        (answer(whole(200, page([("200", "NaN")], (1, 1, 1)))), "found no counter http_requests_total"),
        (
            answer(whole(200, b"".join(b'http_requests_total{a="%d"} 1\n' % a for a in range(10_001)))),
            "can be counted: found more than 10000 series",
        ),
    ],
    ids=["endless", "cut short", "status", "no HTTP", "another page", "not a number", "too many series"],
)
async def test_a_hostile_page_is_no_data(serve, script, trouble):
    """Nothing is raised, nothing is believed, and the reason is told."""
    scraping = scraper((await serve(script)).port)
    assert await look(scraping) is None
    assert trouble in scraping.trouble


@pytest.mark.anyio
async def test_a_page_that_does_not_come_is_given_up(silent_port):
    """The deadline is the scraper's own."""
    scraping = scraper(silent_port, timeout=0.05)
    assert await look(scraping) is None
    assert scraping.trouble == f"127.0.0.1:{silent_port} sends its metrics within 0.05 s: found no end of them"


@pytest.mark.anyio
async def test_a_look_in_vain_loses_nothing(serve):
    """The next one tells what has come since the last that succeeded."""
    pages = iter([whole(200, page([("200", 10)])), whole(500), whole(200, page([("200", 25)]))])

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(next(pages))

    server = await serve(script)
    scraping = scraper(server.port)
    assert await look(scraping) is None
    assert await look(scraping) is None
    assert scraping.rate is None
    assert await look(scraping) == Sample(untimed=15)
    assert scraping.rate > 0
    assert b"User-Agent: sidecar/test\r\n" in server.requests[0]


@pytest.mark.anyio
async def test_another_servers_metrics_may_be_read(serve):
    """By URL; what is secret in it stays so."""
    server = await serve(answer(whole(404, b"no page")))
    scraping = scraper(1, server.url("/metrics?token=s3cret"), secrets=frozenset({"s3cret"}))
    assert await look(scraping) is None
    assert server.requests[0].startswith(b"GET /metrics?token=s3cret HTTP/1.1\r\n")
    assert scraping.trouble == f"127.0.0.1:{server.port} sends its metrics with status 200: found 404"


def test_a_url_that_cannot_be_used_is_refused_at_once():
    """Before the first look."""
    with pytest.raises(ValueError, match="neither http:// nor https://"):
        scraper(1, "metrics")
