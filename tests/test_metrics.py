"""The metrics port: what it counts, what it says about health, what it keeps to itself."""

from __future__ import annotations

import errno
import json
import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import object_storage_proxy as osp
import pytest
from conftest import CLIENT, settings
from helpers.clients import Keys, boto, refused
from helpers.double import S3Double
from helpers.fleet import METRICS
from helpers.ibm import IamDouble
from helpers.monitor import get, scrape, status
from helpers.ports import free_port
from helpers.raw import send
from helpers.stores import Store, versitygw
from helpers.wait import until

DASHBOARD = Path(__file__).resolve().parent.parent / "docs" / "grafana-dashboard.json"
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "monitoring.md"

# The names and labels of object-storage-proxy 0.6.12.
ORIGINAL = {
    "osp_requests_total": {"method", "bucket", "status"},
    "osp_request_errors_total": {"method", "bucket", "error"},
    "osp_transfer_bytes_total": {"direction", "bucket"},
    "osp_presigned_url_hits_total": {"bucket"},
    "osp_presigned_url_rejected_total": {"bucket"},
    "osp_active_connections": set(),
    "osp_memory_bytes": set(),
    "osp_build_info": {"version", "go"},
    "osp_request_duration_seconds": {"method", "bucket", "le"},
    "osp_response_size_bytes": {"method", "bucket", "le"},
}


@pytest.fixture
def bucket(any_store: Store) -> str:
    return any_store.make_bucket()


def test_requests_are_counted_with_their_bytes_and_times(
    serve: Any, any_store: Store, bucket: str
) -> None:
    front = serve({bucket: any_store.entry()}, metrics_port=0)
    s3 = front.boto()
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * 5000)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x" * 5000
    assert refused(s3.get_object, Bucket=bucket, Key="none").status == 404
    seen = scrape(front.server)
    assert seen.value("osp_requests_total", method="PUT", bucket=bucket, status="200") == 2
    assert seen.value("osp_requests_total", method="GET", bucket=bucket, status="404") == 1
    # The bodies came with chunks around them, so a little more than was stored.
    assert 10_000 <= seen.value("osp_transfer_bytes_total", direction="in", bucket=bucket) < 11_000
    assert 5_000 < seen.value("osp_transfer_bytes_total", direction="out", bucket=bucket) < 7_000
    assert seen.value("osp_request_duration_seconds_count", method="PUT", bucket=bucket) == 2
    assert 0 < seen.value("osp_request_duration_seconds_sum", bucket=bucket) < 60
    assert seen.value("osp_response_size_bytes_bucket", method="GET", bucket=bucket, le="4096") == 1
    assert seen.value("osp_response_size_bytes_count", method="GET", bucket=bucket) == 2
    assert seen.value("osp_upstream_duration_seconds_count", bucket=bucket) == 4
    assert seen.value("osp_request_errors_total") == 0  # a store's 404 is no refusal
    assert seen.value("osp_memory_bytes") > 1_000_000
    assert seen.value("osp_requests_in_flight") == 0


def test_open_connections_come_and_go(serve: Any, double: S3Double) -> None:
    front = serve({"data": double.entry()}, metrics_port=0)

    def open_connections() -> float:
        return scrape(front.server).value("osp_active_connections")

    assert open_connections() == 0
    with httpx.Client(verify=front.tls_context(), trust_env=False) as http:
        for scheme in ("http", "https"):
            http.get(front.url(scheme))
        assert open_connections() == 2
    until(lambda: open_connections() == 0, "the connections are gone")


def everything(front: Any, iam: IamDouble) -> None:
    """Traffic that touches whatever is counted."""
    s3 = front.boto(retry=False)
    s3.put_object(Bucket="data", Key="k", Body=b"x")
    s3.get_object(Bucket="team-one", Key="k")
    s3.get_object(Bucket="ibm", Key="k")
    source = {"Bucket": "data", "Key": "k"}
    s3.copy_object(Bucket="team-one", Key="l", CopySource=source, TaggingDirective="REPLACE")
    url = front.boto(signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": "data", "Key": "k"}
    )
    with httpx.Client(trust_env=False) as http:
        assert [http.get(url).status_code for _ in range(2)] == [200, 403]
    for keys in (Keys(CLIENT.access, "wrong"), Keys("nobody", "x")):
        assert refused(front.boto(keys=keys, retry=False).list_objects_v2, Bucket="data").status
    assert refused(s3.get_object, Bucket="away", Key="k").code == "BadGateway"
    assert refused(s3.get_object, Bucket="data", Key="refused").code == "AccessDenied"
    assert refused(s3.get_object, Bucket="no-such", Key="k").code == "NoSuchBucket"
    assert refused(s3.put_object, Bucket="data", Key="k", Body=b"x" * 10).code == "EntityTooLarge"
    assert iam.tokens


@pytest.fixture
def busy(serve: Any, double: S3Double) -> Any:
    """A proxy that has seen all kinds of requests."""
    double.check = lambda seen: None
    double.objects = {b"/data/k": b"x", b"/team-one/k": b"x", b"/ibm/k": b"x"}
    with IamDouble({"key"}) as iam:
        pair = {"access_key": None, "secret_key": None}
        front = serve(
            {
                "data": double.entry(),
                "team-*": double.entry(**pair),
                "ibm": double.entry(**pair, api_key="key"),
                "away": double.entry(port=free_port()),
            },
            metrics_port=0,
            access_log="python",
            iam_endpoint=iam.endpoint,
            max_presign_url_usage_attempts=1,
            limits={"all": {"largest_object": 5}},
            validator=lambda token, bucket, request: request["key"] != "refused",
            hmac_fetcher=lambda key: None,
            bucket_creds_fetcher=lambda token, bucket: {"access_key": "a", "secret_key": "b"},
        )
        everything(front, iam)
        assert get(front.server, "/readyz").status_code == 503  # one is away
        yield front


def test_the_names_of_the_original_are_fed_with_their_labels(busy: Any) -> None:
    seen = scrape(busy.server)
    for family, labels in ORIGINAL.items():
        assert family in seen.kinds, family
        assert seen.labels(family) == labels, family
    assert seen.value("osp_build_info", version=osp.__version__) == 1


def test_refusals_callbacks_caches_stores_and_tokens_are_counted(busy: Any) -> None:
    seen = scrape(busy.server)
    assert seen.value("osp_presigned_url_hits_total", bucket="data") == 2
    assert seen.value("osp_presigned_url_rejected_total", bucket="data") == 1
    assert seen.value("osp_signature_refusals_total", code="SignatureDoesNotMatch") == 1
    assert seen.value("osp_signature_refusals_total", code="InvalidAccessKeyId") == 1
    assert seen.value("osp_refusals_total", code="AccessDenied") == 2
    assert seen.value("osp_request_errors_total", bucket="away", error="BadGateway") == 1
    assert seen.value("osp_upstream_errors_total", bucket="away", error="BadGateway") == 1
    assert seen.value("osp_callbacks_total", callback="validator", outcome="refused") == 1
    assert seen.value("osp_callbacks_total", callback="validator", outcome="answered") >= 4
    assert seen.value("osp_callbacks_total", callback="hmac_fetcher", outcome="refused") == 1
    assert (
        seen.value("osp_callbacks_total", callback="bucket_creds_fetcher", outcome="answered") == 1
    )
    assert seen.value("osp_callback_duration_seconds_count") == seen.value("osp_callbacks_total")
    assert seen.value("osp_cache_requests_total", cache="tokens", result="miss") == 1
    assert seen.value("osp_cache_requests_total", cache="decisions", result="hit") >= 1
    assert seen.value("osp_token_renewals_total", outcome="granted") == 1
    assert seen.value("osp_log_lines_dropped_total", log="access") == 0


def test_label_values_are_bounded(busy: Any) -> None:
    """Nobody makes series grow without a configuration that names them."""
    s3 = busy.boto(retry=False)
    for i in range(30):
        with suppress(Exception):
            s3.get_object(Bucket=f"made-up-{i}", Key="k")
        with suppress(Exception):
            s3.get_object(Bucket=f"team-{i}", Key="k")
    with httpx.Client(trust_env=False) as http:
        http.request("BREW", busy.url() + "/data/k")
    seen = scrape(busy.server)
    values: dict[str, set[str]] = {}
    for _, labels in seen.samples:
        for name, value in labels:
            values.setdefault(name, set()).add(value)
    assert values["bucket"] <= {"data", "team-*", "ibm", "away", ""}
    assert seen.value("osp_requests_total", bucket="", status="404") == 31
    assert seen.value("osp_requests_total", bucket="team-*") == 32
    assert values["method"] <= {"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "other"}
    assert "other" in values["method"]


def test_an_update_moves_the_buckets(serve: Any, double: S3Double) -> None:
    front = serve({"data": double.entry()}, metrics_port=0)
    front.boto().get_object(Bucket="data", Key="k")
    double.objects[b"/later/k"] = b"x"
    front.server.update(cos_map={"later": double.entry()})
    front.boto().get_object(Bucket="later", Key="k")
    seen = scrape(front.server)
    assert seen.value("osp_requests_total", bucket="later", status="200") == 1
    assert not seen.matching("osp_requests_total", bucket="data")


def expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", [])]


def test_the_dashboard_asks_for_what_there_is(busy: Any) -> None:
    seen = scrape(busy.server)
    # A certificate's end is known of stores with TLS only, and there is none here; nor is there
    # a shared state.
    absent = {"osp_store_certificate_expiry_timestamp_seconds": {"store"}} | METRICS
    labels = {name: seen.labels(name) | {"instance"} for name in seen.kinds}
    labels |= {name: has | {"instance"} for name, has in absent.items()}
    used: set[str] = set()
    for expression in expressions():
        for name, selector in re.findall(r"\b((?:osp|go|process)_\w+)\{([^}]*)\}", expression):
            family = name if name in labels else re.sub(r"_(bucket|sum|count)$", "", name)
            assert family in labels, f"{name} in {expression}"
            used.add(family)
            for label in re.findall(r"(\w+)\s*=~?", selector):
                assert label in labels[family], f"{label} of {family} in {expression}"
            for grouped in re.findall(r"by \(([^)]*)\)", expression):
                for label in grouped.split(","):
                    assert label.strip() in labels[family], f"{label} of {family} in {expression}"
    ours = {name for name in labels if name.startswith("osp_")}
    assert used >= ours, f"not shown: {ours - used}"


def test_every_metric_is_documented(busy: Any) -> None:
    text = DOCUMENT.read_text()
    ours = {name for name in scrape(busy.server).kinds if name.startswith("osp_")} | METRICS.keys()
    assert {name for name in ours if f"`{name}`" not in text and f"`{name}{{" not in text} == set()


class TestHealth:
    @pytest.mark.slow
    def test_ready_follows_the_stores(self, serve: Any, tmp_path: Path, certificates: Any) -> None:
        with versitygw(tmp_path / "store", certificates) as store:
            entry = store.entry(ca_file=certificates.ca)
            front = serve({"data": entry}, metrics_port=0)
            answer = get(front.server, "/readyz")
            assert (answer.status_code, answer.json()) == (200, {"ready": True})
            shown = status(front.server)["stores"]
            assert [s["up"] for s in shown] == [True]
            assert time.time() < shown[0]["certificate_expires"] < time.time() + 10 * 365 * 86400
            name = f"localhost:{store.port}"
            expiry = scrape(front.server).value(
                "osp_store_certificate_expiry_timestamp_seconds", store=name
            )
            assert abs(expiry - shown[0]["certificate_expires"]) < 1
        until(lambda: get(front.server, "/readyz").status_code == 503, "the store is missed")
        assert list(get(front.server, "/readyz").json()["stores"]) == [name]
        assert get(front.server, "/healthz").status_code == 200
        assert scrape(front.server).value("osp_store_up", store=name) == 0

    def test_not_ready_while_it_drains(self, double: S3Double) -> None:
        asked, release = threading.Event(), threading.Event()

        def slow(seen: Any) -> None:
            asked.set()
            release.wait(20)

        double.answer = slow
        server = osp.ProxyServer(settings({"data": double.entry()}, metrics_port=0))
        server.start()
        reader = threading.Thread(
            target=lambda: boto(str(server.http_url), CLIENT).get_object(Bucket="data", Key="k")
        )
        stopper = threading.Thread(target=server.stop)
        try:
            assert get(server, "/readyz").status_code == 200
            reader.start()
            assert asked.wait(20)
            stopper.start()
            until(lambda: get(server, "/readyz").status_code == 503, "it is not ready any more")
            assert get(server, "/readyz").json() == {"ready": False, "draining": True}
            assert get(server, "/healthz").status_code == 200
            assert status(server)["draining"]
            assert scrape(server).value("osp_requests_in_flight") == 1
        finally:
            release.set()
            reader.join(20)
            stopper.join(20)
        assert server.metrics_url is None

    def test_probes_do_not_hammer_the_store(self, serve: Any) -> None:
        """Results serve for five seconds, for all entries that lead to one store."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            entry = {"host": "127.0.0.1", "port": listener.getsockname()[1], "api_key": "k"}
            begun = time.monotonic()
            front = serve({"data": entry, "more": entry}, metrics_port=0)
            for _ in range(30):
                assert get(front.server, "/readyz").status_code == 200
            took = time.monotonic() - begun
            listener.setblocking(False)
            looks = 0
            with suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    looks += 1
        assert 1 <= looks <= 1 + took / 5


class TestThePort:
    def test_only_what_it_is_for(self, serve: Any, double: S3Double) -> None:
        front = serve({"data": double.entry()}, metrics_port=0)
        for path in ("/", "/metrics", "/healthz", "/readyz", "/status.json"):
            assert get(front.server, path).status_code == 200
            assert get(front.server, path, "HEAD").status_code == 200
            assert get(front.server, path, "POST").status_code == 405
        assert get(front.server, "/data/k").status_code == 404
        assert get(front.server, "/debug/pprof/").status_code == 404
        assert double.seen == []

    def test_nothing_of_it_on_the_ports_of_clients(self, serve: Any, double: S3Double) -> None:
        front = serve({"data": double.entry()}, metrics_port=0)
        with httpx.Client(verify=front.tls_context(), trust_env=False) as http:
            for scheme in ("http", "https"):
                for path in ("/metrics", "/healthz", "/readyz", "/status.json", "/"):
                    answer = http.get(front.url(scheme) + path)
                    assert (answer.status_code, b"AccessDenied" in answer.content) == (403, True)

    def test_none_unless_asked_for(self, serve: Any, double: S3Double) -> None:
        assert serve({"data": double.entry()}).server.metrics_url is None

    def test_it_listens_on_loopback_whatever_the_host(self, double: S3Double) -> None:
        port = free_port()
        config = settings({"data": double.entry()}, host="0.0.0.0", metrics_port=port)
        with osp.ProxyServer(config) as server:
            assert server.metrics_url == f"http://127.0.0.1:{port}"
            listening = Path("/proc/net/tcp").read_text()
            assert f"0100007F:{port:04X}" in listening
            assert f"00000000:{port:04X}" not in listening

    def test_a_port_in_use_is_an_os_error(self, serve: Any, double: S3Double) -> None:
        first = serve({"data": double.entry()}, metrics_port=0)
        port = int(first.server.metrics_url.rpartition(":")[2])
        http_port = free_port()
        second = osp.ProxyServer(
            settings({"data": double.entry()}, metrics_port=port, http_port=http_port)
        )
        with pytest.raises(OSError, match=f"metrics.*{port}") as caught:
            second.start()
        assert caught.value.errno == errno.EADDRINUSE
        # Nothing of it runs: its other port is free again.
        with osp.ProxyServer(settings({"data": double.entry()}, http_port=http_port)):
            pass

    @pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
    def test_names_that_nobody_told_lead_nowhere(
        self, serve: Any, double: S3Double, host: str
    ) -> None:
        """A page may take a name of its own for this address: DNS rebinding."""
        front = serve(
            {"data": double.entry()},
            metrics_port=0,
            metrics_host=host,
            metrics_hosts=["osp.monitoring.svc"],
        )
        port = front.server.metrics_url.rpartition(":")[2]

        def told(asked: str) -> int:
            url = f"http://127.0.0.1:{port}"
            return send(url, "GET", "/status.json", {"host": asked}).status

        for name in ["localhost", "127.0.0.1", f"[::1]:{port}", f"OSP.monitoring.svc:{port}"]:
            assert told(name) == 200, name
        assert told("evil.example") == 421
        assert told(f"evil.example:{port}") == 421
        assert told("10.0.0.7") == (200 if host == "0.0.0.0" else 421)

    def test_hosts_that_are_none_are_mistakes(self, double: S3Double) -> None:
        config = settings(
            {"data": double.entry()}, metrics_port=0, metrics_hosts=["a", "http://x", "b:80", 7]
        )
        with pytest.raises(osp.ConfigError) as caught:
            osp.ProxyServer(config).start()
        paths = [path for path, _ in caught.value.mistakes]
        assert paths == ["metrics_hosts[1]", "metrics_hosts[2]", "metrics_hosts[3]"]

    def test_a_host_that_is_none_is_a_mistake(self, double: S3Double) -> None:
        config = settings({"data": double.entry()}, metrics_port=0, metrics_host="http://x")
        with pytest.raises(osp.ConfigError) as caught:
            osp.ProxyServer(config).start()
        assert [path for path, _ in caught.value.mistakes] == ["metrics_host"]
