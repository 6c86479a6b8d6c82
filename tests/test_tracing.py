"""W3C trace context, and OpenTelemetry's environment variables."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from conftest import CLIENT
from helpers import raw
from helpers.children import Child
from helpers.double import S3Double
from helpers.otlp import Collector, Span
from helpers.ports import free_port

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SERVER, CLIENT_SPAN = 2, 3

SCRIPT = """
import json, sys
import object_storage_proxy as osp
osp.start_server(osp.ProxyServerConfig(
    **json.loads(sys.argv[1]), validator=lambda token, bucket: True))
"""

Proxy = Callable[..., tuple[str, Child]]


@pytest.fixture
def proxy(tmp_path: Path, double: S3Double) -> Iterator[Proxy]:
    """Starts a proxy in a process of its own: proxy(**environment) -> its URL, the process."""
    with ExitStack() as stack:

        def start(**environment: str) -> tuple[str, Child]:
            port = free_port()
            config = {
                "cos_map": {"data": double.entry()},
                "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
                "host": "127.0.0.1",
                "http_port": port,
            }
            args = [sys.executable, "-c", SCRIPT, json.dumps(config)]
            child = stack.enter_context(
                Child(args, tmp_path / "child.log", env=environment, cwd=tmp_path)
            )
            child.listening(port)
            return f"http://127.0.0.1:{port}", child

        yield start


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running
    assert running.problems == []


def get(url: str, target: str = "/data/k", **headers: str) -> int:
    """One signed request; the headers are signed as well, but for those whose name ends in _."""
    signed = raw.sign(
        "GET", url + target, CLIENT, headers={k: v for k, v in headers.items() if k[-1] != "_"}
    )
    unsigned = {k.rstrip("_"): v for k, v in headers.items() if k[-1] == "_"}
    with httpx.Client(trust_env=False) as http:
        return http.get(url + target, headers={**signed, **unsigned}).status_code


@pytest.mark.parametrize("name", ["traceparent", "traceparent_"], ids=["signed", "unsigned"])
def test_without_tracing_the_context_passes_unchanged(
    proxy: Proxy, double: S3Double, name: str
) -> None:
    url, _ = proxy()
    assert get(url, **{name: TRACEPARENT, "tracestate_": "vendor=1"}) == 200
    assert double.seen[0].headers["traceparent"] == TRACEPARENT
    assert double.seen[0].headers["tracestate"] == "vendor=1"


def named(spans: list[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name]
    return found


@pytest.mark.parametrize("name", ["traceparent", "traceparent_"], ids=["signed", "unsigned"])
def test_a_request_is_a_trace_from_client_to_store(
    proxy: Proxy, double: S3Double, collector: Collector, name: str
) -> None:
    """Also where the client signed the field: its signature ends at the proxy."""
    url, child = proxy(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20collector-secret",
        OTEL_SERVICE_NAME="edge",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test",
    )
    assert get(url, **{name: TRACEPARENT, "tracestate_": "vendor=1"}) == 200
    assert child.stop() == 0  # what is left is sent

    served, validator, asked = (
        named(collector.spans, n) for n in ("GetObject", "validator", "GET")
    )
    assert (served.trace, served.parent, served.kind) == (TRACE, PARENT, SERVER)
    assert (asked.trace, asked.parent, asked.kind) == (TRACE, served.id, CLIENT_SPAN)
    assert (validator.trace, validator.parent) == (TRACE, served.id)
    assert served.start <= validator.start <= validator.end <= asked.start
    assert asked.end <= served.end
    assert double.seen[0].headers["traceparent"] == f"00-{TRACE}-{asked.id}-01"
    assert double.seen[0].headers["tracestate"] == "vendor=1"
    assert {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/data/k",
        "aws.s3.bucket": "data",
        "aws.s3.key": "k",
        "client.address": "127.0.0.1",
    }.items() <= served.attributes.items()
    assert asked.attributes["server.port"] == double.port
    assert collector.resource["service.name"] == "edge"
    assert collector.resource["deployment.environment"] == "test"
    assert collector.headers["authorization"] == "Bearer collector-secret"
    assert "collector-secret" not in child.output()


def test_refusals_are_spans_and_hold_no_secret(
    proxy: Proxy, double: S3Double, collector: Collector
) -> None:
    url, child = proxy(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    signed = raw.sign("GET", f"{url}/data/k", CLIENT)
    signature = signed["Authorization"].partition("Signature=")[2]
    with httpx.Client(trust_env=False) as http:
        assert http.get(f"{url}/data/other", headers=signed).status_code == 403
        assert http.get(f"{url}/data/k?X-Amz-Signature=abcdef").status_code in (400, 403)
    assert double.seen == []
    assert child.stop() == 0
    refused, malformed = collector.spans
    assert refused.attributes["error.type"] == "SignatureDoesNotMatch"
    assert refused.attributes["http.response.status_code"] == 403
    assert not refused.failed  # the client's fault is no error of the server
    text = str(collector.spans)
    assert CLIENT.access not in text
    assert signature not in text
    assert "abcdef" not in text
    assert re.fullmatch(r"[0-9a-f]{32}", malformed.trace)
    assert malformed.parent == ""


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
    ids=lambda e: "=".join(*e.items()),
)
def test_tracing_that_is_turned_off(
    proxy: Proxy, double: S3Double, collector: Collector, environment: dict[str, str]
) -> None:
    url, child = proxy(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, **environment)
    assert get(url, traceparent_=TRACEPARENT) == 200
    assert double.seen[0].headers["traceparent"] == TRACEPARENT
    assert child.stop() == 0
    assert collector.spans == []
    assert ("OTEL_EXPORTER_OTLP_PROTOCOL" in child.output()) == (
        "OTEL_EXPORTER_OTLP_PROTOCOL" in environment
    )


def test_a_collector_that_is_away_costs_no_request(proxy: Proxy, double: S3Double) -> None:
    url, child = proxy(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    assert [get(url) for _ in range(20)] == [200] * 20
    assert child.stop() == 0
