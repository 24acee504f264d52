"""A gateway that counts its requests with Prometheus's client library, and is told what requests it has had.

Run as a script by ``servers.scraped``. Its argument is the port, 0 for any. It prints its port, and obeys lines of JSON
on its input, each answered by one.
"""

import json
import sys

from prometheus_client import REGISTRY, Counter, Histogram, start_http_server


def main() -> None:
    """Serve ``/metrics`` until the input ends."""
    latency = Histogram("http_request_duration_seconds", "Latency.", ["route", "status"])
    requests = Counter("http_requests", "Requests.", ["route", "status"])
    server, thread = start_http_server(int(sys.argv[1]), addr="127.0.0.1", registry=REGISTRY)
    say(server.server_port)
    for line in sys.stdin:
        for route, status, seconds, times in json.loads(line):
            for _ in range(times):
                latency.labels(route, status).observe(seconds)
                requests.labels(route, status).inc()
        say("done")
    server.shutdown()
    server.server_close()
    thread.join()


def say(word: object) -> None:
    """Answer with a line."""
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
