"""Requests from a Prometheus, asked over HTTP: a real server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import numpy as np
import pytest
from typer.testing import CliRunner

from qos.cli.app import app
from qos.errors import InputError
from qos.scenario.prometheus import Range, query_range

LABELS = {"namespace": "shop", "pod": "web-7d4b9c6f5-x2x9p", "container": "app"}


class Handler(BaseHTTPRequestHandler):
    """Answers as Prometheus does: a value a step, an error of its own, or no JSON at all."""

    def do_POST(self) -> None:
        """One range query."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        query = form["query"][0]
        self.server.seen.append(form)  # type: ignore[attr-defined]
        start, end, step = (float(form[name][0]) for name in ("start", "end", "step"))
        if "broken" in query:
            self._send(400, json.dumps({"status": "error", "error": "parse error: unexpected end"}).encode())
            return
        if "html" in query:
            self._send(502, b"<html>bad gateway</html>")
            return
        value = "0.25" if "cpu" in query else str(200 << 20)
        times = np.arange(start, end + 1e-6, step).tolist()
        series = [] if "nothing" in query else [{"metric": LABELS, "values": [[at, value] for at in times]}]
        answer = {"status": "success", "data": {"resultType": "matrix", "result": series}}
        self._send(200, json.dumps(answer).encode())

    def _send(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server on a free port, ended after the test."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def _url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_requests_come_from_the_servers_series(server: ThreadingHTTPServer) -> None:
    """A deployment that used 0.25 CPUs and 200 MiB all day gets that, and the queries are cAdvisor's."""
    words = [
        "plan",
        "recommend",
        "--prometheus",
        _url(server),
        "--window",
        "1d",
        "--step",
        "5m",
        "-o",
        "json",
    ]
    shown = CliRunner().invoke(app, words, catch_exceptions=False)
    (found,) = json.loads(shown.stdout)
    assert found["target"] == {"namespace": "shop", "kind": "Deployment", "name": "web", "container": "app"}
    assert 238 <= found["found"]["slo"]["cpu_milli"] <= 250
    assert found["found"]["slo"]["memory_bytes"] == 204 << 20
    queries = [form["query"][0] for form in server.seen]  # type: ignore[attr-defined]
    assert "container_cpu_usage_seconds_total" in queries[0]
    assert "[1200s]" in queries[0]
    assert "container_memory_working_set_bytes" in queries[1]


def test_a_long_range_is_asked_in_parts(server: ThreadingHTTPServer) -> None:
    """25,000 points are three queries, joined without a gap or a repeated time."""
    ((labels, times, values),) = query_range(_url(server), "cpu", Range(0.0, 24_999 * 15.0, 15.0))
    assert len(server.seen) == 3  # type: ignore[attr-defined]
    assert (labels, len(times), len(values)) == (LABELS, 25_000, 25_000)
    assert np.array_equal(np.diff(times), np.full(24_999, 15.0))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("broken", "parse error: unexpected end"),
        ("html", "refuses: 502"),
        ("nothing", "knows no such series"),
    ],
)
def test_what_the_server_refuses_is_said(server: ThreadingHTTPServer, query: str, said: str) -> None:
    """Its own error, another server's page, and no series are one clear error each."""
    with pytest.raises(InputError, match=said):
        query_range(_url(server), query, Range(0.0, 60.0, 15.0))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("prometheus:9090", "no address"),
        ("file:///etc/passwd", "no address"),
        ("http://127.0.0.1:9", "reached"),
    ],
)
def test_what_is_no_server_is_said(url: str, said: str) -> None:
    """No scheme, another scheme, and a closed port."""
    with pytest.raises(InputError, match=said):
        query_range(url, "cpu", Range(0.0, 60.0, 15.0))
