"""How a store is reached: names, addresses and regions, certificates, timeouts, others' proxies."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT
from helpers import certificates as pki
from helpers.children import Child
from helpers.clients import boto, refused
from helpers.double import Answer, S3Double, Seen
from helpers.forward import ForwardProxy
from helpers.names import DOMAIN
from helpers.stores import STORES, Store
from helpers.wait import until

ODD_KEY = "a b/ü+&=%41.txt"


def round_trip(s3: Any, bucket: str, key: str = ODD_KEY) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"there and back")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"there and back"


class TestBucketNamesWithDots:
    """A certificate for *.host covers no further dots (RFC 6125, section 6.4.3)."""

    @pytest.fixture(params=["the host only", "the host and *.host"])
    def tls_double(self, request: Any, tmp_path: Path) -> Iterator[S3Double]:
        names = ["localhost"] if request.param == "the host only" else ["localhost", "*.localhost"]
        with S3Double(certificates=pki.make(tmp_path / "pki", names)) as double:
            yield double

    @staticmethod
    def entry(double: S3Double) -> dict[str, Any]:
        assert double.certificates
        ca = double.certificates.ca
        return double.entry(host="localhost", addressing_style="virtual", ca_file=ca)

    def test_they_go_into_the_path_with_tls(
        self, serve: Any, tls_double: S3Double, scheme: str
    ) -> None:
        s3 = serve({"my.dotted.photos": self.entry(tls_double)}).boto(scheme, retry=False)
        round_trip(s3, "my.dotted.photos")
        assert tls_double.problems == []
        assert {s.headers["host"] for s in tls_double.seen} == {f"localhost:{tls_double.port}"}
        assert {s.path for s in tls_double.seen} == {
            "/my.dotted.photos/a%20b/%C3%BC%2B%26%3D%2541.txt"
        }

    def test_the_others_need_a_certificate_for_the_bucket(
        self, serve: Any, tls_double: S3Double, request: pytest.FixtureRequest
    ) -> None:
        s3 = serve({"photos": self.entry(tls_double)}).boto(retry=False)
        if "only" in request.node.callspec.params["tls_double"]:
            assert refused(s3.get_object, Bucket="photos", Key="k").status == 502
            assert tls_double.seen == []
            return
        round_trip(s3, "photos")
        assert {s.headers["host"] for s in tls_double.seen} == {
            f"photos.localhost:{tls_double.port}"
        }

    def test_without_tls_they_go_into_the_host(self, serve: Any, double: S3Double) -> None:
        entry = double.entry(host="localhost", addressing_style="virtual")
        round_trip(serve({"my.photos": entry}).boto(retry=False), "my.photos")
        assert {s.headers["host"] for s in double.seen} == {f"my.photos.localhost:{double.port}"}


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_store_with_an_ipv6_address(
    serve: Any, certificates: pki.Certificates, secure: bool
) -> None:
    """No bucket can stand before an address, so path style is the default."""
    with S3Double(address="::1", certificates=certificates if secure else None) as double:
        trust = {"ca_file": certificates.ca} if secure else {}
        entry = double.entry(host="[::1]", addressing_style=None, **trust)
        round_trip(serve({"data": entry}).boto(retry=False), "data")
        assert double.problems == []
        assert {s.headers["host"] for s in double.seen} == {f"[::1]:{double.port}"}
        assert all(s.path.startswith("/data/") for s in double.seen)


def test_a_store_may_want_a_certificate_of_the_proxy(
    serve: Any, certificates: pki.Certificates
) -> None:
    with S3Double(certificates=certificates, client_ca=certificates.ca) as double:
        entry = double.entry(ca_file=certificates.ca)
        shown = {"client_cert_file": certificates.cert, "client_key_file": certificates.key}
        front = serve({"with": {**entry, **shown}, "without": entry})
        round_trip(front.boto(retry=False), "with")
        assert refused(front.boto(retry=False).get_object, Bucket="without", Key="k").status == 502
        assert {s.path.split("/")[1] for s in double.seen} == {"with"}


def test_each_entry_has_timeouts_of_its_own(serve: Any) -> None:
    """Also when they lead to one store."""
    asked, answer = threading.Event(), threading.Event()

    def slow(seen: Any) -> Any:
        if "patient" in seen.path:
            asked.set()
        answer.wait(20)

    with S3Double(answer=slow) as double, ThreadPoolExecutor() as pool:
        double.objects[b"/patient/k"] = b"x"
        cos_map = {"patient": double.entry(), "hasty": double.entry(answer_timeout=0.1)}
        front = serve(cos_map)
        patient = pool.submit(front.boto(retry=False).get_object, Bucket="patient", Key="k")
        assert asked.wait(20)
        refusal = refused(front.boto(retry=False).get_object, Bucket="hasty", Key="k")
        answer.set()
        assert refusal.code == "GatewayTimeout"
        assert patient.result(20)["Body"].read() == b"x"


SCRIPT = """
import json, sys
import object_storage_proxy as osp
with osp.ProxyServer(osp.ProxyServerConfig(**json.loads(sys.argv[1]))) as server:
    print(server.http_url, flush=True)
    server.wait()
"""


class TestTheEnvironmentsProxy:
    """Its variables count from the first start on, so it is started in a process of its own.

    A proxy takes requests for any host and port: what is sent to a store on a default port shows.
    """

    @staticmethod
    def start(tmp_path: Path, forward: ForwardProxy, cos_map: dict[str, Any], **env: str) -> Any:
        config = {
            "cos_map": cos_map,
            "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
            "http_port": 0,
            "host": "127.0.0.1",
        }
        args = [sys.executable, "-c", SCRIPT, json.dumps(config, default=str)]
        env = {"HTTP_PROXY": forward.url, "HTTPS_PROXY": forward.url, **env}
        return Child(args, tmp_path / "child.log", env=env, cwd=tmp_path)

    @staticmethod
    def client(child: Child) -> Any:
        until(lambda: "\n" in child.output() or not child.alive(), "the proxy's address")
        assert child.alive(), child.output()
        return boto(child.output().split()[0], CLIENT, retry=False)

    def test_it_leads_to_stores_that_ask_for_it(
        self, certificates: pki.Certificates, tmp_path: Path
    ) -> None:
        """On the default ports, which don't stand in Host, and on another one."""
        with S3Double() as plain, S3Double(certificates=certificates) as secure:
            ports = {
                f"one.{DOMAIN}": plain.port,
                f"two.{DOMAIN}:443": secure.port,
                f"three.{DOMAIN}:8080": plain.port,
                f"four.{DOMAIN}:8443": secure.port,
            }
            asked = {"host": DOMAIN, "addressing_style": "virtual", "trust_env": True}
            tls = {**asked, "ca_file": certificates.ca}
            cos_map = {
                "one": plain.entry(**asked, port=80),
                "two": secure.entry(**tls, port=443),
                "three": plain.entry(**asked, port=8080),
                "four": secure.entry(**tls, port=8443),
            }
            with (
                ForwardProxy(ports) as forward,
                self.start(tmp_path, forward, cos_map) as child,
            ):
                s3 = self.client(child)
                for bucket in cos_map:
                    s3.put_object(Bucket=bucket, Key=ODD_KEY, Body=b"x")
                assert forward.asked == [
                    f"PUT one.{DOMAIN}",
                    f"CONNECT two.{DOMAIN}:443",
                    f"PUT three.{DOMAIN}:8080",
                    f"CONNECT four.{DOMAIN}:8443",
                ]
            assert plain.problems == secure.problems == []
            hosts = [seen.headers["host"] for seen in [*plain.seen, *secure.seen]]
            assert hosts == [
                f"one.{DOMAIN}",
                f"three.{DOMAIN}:8080",
                f"two.{DOMAIN}",
                f"four.{DOMAIN}:8443",
            ]

    def test_it_counts_neither_unasked_nor_for_what_it_is_not_for(self, tmp_path: Path) -> None:
        with S3Double() as double, ForwardProxy({}) as forward:
            elsewhere = {"host": DOMAIN, "port": 80, "connect_timeout": 0.5}
            cos_map = {
                "unasked": double.entry(**elsewhere),
                "exempt": double.entry(**elsewhere, trust_env=True),
                "local": double.entry(trust_env=True),
            }
            with self.start(tmp_path, forward, cos_map, NO_PROXY=DOMAIN) as child:
                s3 = self.client(child)
                for bucket in ("unasked", "exempt"):
                    assert refused(s3.get_object, Bucket=bucket, Key="k").status in (502, 504)
                round_trip(s3, "local")
            assert forward.asked == []


@pytest.fixture(scope="module", params=["versitygw", "minio"])
def tls_store(
    request: pytest.FixtureRequest, certificates: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store whose certificate no system trusts."""
    if request.param not in request.config.getoption("stores").split(","):
        pytest.skip("not among --stores")
    folder: Path = tmp_path_factory.mktemp(f"tls-{request.param}")
    with STORES[request.param](folder, certificates) as store:
        yield store


def test_a_store_with_an_untrusted_certificate_is_refused(serve: Any, tls_store: Store) -> None:
    bucket = tls_store.make_bucket("tls")
    s3 = serve({bucket: tls_store.entry()}).boto(retry=False)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x").status == 502
    assert tls_store.keys_in(bucket) == []


def test_verify_false_takes_any_certificate(serve: Any, tls_store: Store, scheme: str) -> None:
    bucket = tls_store.make_bucket("tls")
    s3 = serve({bucket: tls_store.entry()}, verify=False).boto(scheme)
    s3.put_object(Bucket=bucket, Key="k", Body=b"over TLS")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"over TLS"
    assert tls_store.keys_in(bucket) == ["k"]


def test_an_entry_may_trust_an_authority_of_its_own(
    serve: Any, tls_store: Store, scheme: str
) -> None:
    bucket = tls_store.make_bucket("tls")
    s3 = serve({bucket: tls_store.entry(ca_file=tls_store.ca)}).boto(scheme)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x" * 100_000


@pytest.mark.parametrize("tls_store", ["minio"], indirect=True)
def test_keys_of_the_client_encrypt_objects(serve: Any, tls_store: Store) -> None:
    """SSE-C: the key travels in headers, and stays out of what is not TLS to the store."""
    bucket = tls_store.make_bucket("tls")
    s3 = serve({bucket: tls_store.entry(ca_file=tls_store.ca)}).boto("https", retry=False)
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"secret", **key)
    assert put["SSECustomerAlgorithm"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="k", **key)["Body"].read() == b"secret"
    assert refused(s3.get_object, Bucket=bucket, Key="k").status == 400
    other = {**key, "SSECustomerKey": "o" * 32}
    assert refused(s3.get_object, Bucket=bucket, Key="k", **other).status == 403


def test_a_bucket_in_another_region_is_found(serve: Any) -> None:
    """As AWS tells it, the first time; afterwards it is known."""

    def answer(seen: Seen) -> Any:
        if "/eu-north-1/s3/" in seen.headers["authorization"]:
            return None
        moved = b"<Error><Code>PermanentRedirect</Code><Endpoint>elsewhere</Endpoint></Error>"
        return 301, {"x-amz-bucket-region": "eu-north-1"}, moved

    with S3Double(answer=answer, check=lambda seen: None) as double:
        double.objects[b"/data/k"] = b"x"
        s3 = serve({"data": double.entry()}).boto(retry=False)
        for _ in range(3):
            assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
        assert len(double.seen) == 4
        s3.put_object(Bucket="data", Key="l", Body=b"y")
        assert double.objects[b"/data/l"] == b"y"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (
            301,
            {"x-amz-bucket-region": "eu-north-1"},
            b"<Error><Code>PermanentRedirect</Code></Error>",
        ),
        (
            307,
            {"x-amz-bucket-region": "eu-north-1"},
            b"<Error><Code>TemporaryRedirect</Code></Error>",
        ),
        (
            400,
            {"Content-Type": "application/xml"},
            b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>",
        ),
    ],
)
def test_each_way_to_name_the_region_is_understood(
    serve: Any, double: S3Double, status: int, headers: dict[str, str], body: bytes
) -> None:
    def answer(seen: Seen) -> Any:
        return (
            None if "/eu-north-1/s3/" in seen.headers["authorization"] else (status, headers, body)
        )

    double.answer = answer
    s3 = serve({"data": double.entry()}).boto(retry=False)
    for _ in range(2):
        assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
    assert len(double.seen) == 3
    assert double.problems == []


def test_a_store_that_never_answers_is_a_timeout(serve: Any) -> None:
    end = threading.Event()

    def answer(seen: Seen) -> Any:
        end.wait(20)

    with S3Double(answer=answer) as double:
        s3 = serve({"data": double.entry(answer_timeout=0.1)}).boto(retry=False)
        refusal = refused(s3.get_object, Bucket="data", Key="k")
        end.set()
        assert (refusal.status, refusal.code) == (504, "GatewayTimeout")


def test_the_virtual_style_puts_the_bucket_into_the_host(serve: Any, scheme: str) -> None:
    listing: Answer = (200, {}, b"<ListBucketResult/>")
    with S3Double(answer=lambda seen: listing if seen.path == "/" else None) as double:
        entry = double.entry(host="localhost", addressing_style="virtual")
        s3 = serve({"data": entry}).boto(scheme)
        s3.put_object(Bucket="data", Key="a b/ü/c", Body=b"x")
        assert s3.get_object(Bucket="data", Key="a b/ü/c")["Body"].read() == b"x"
        s3.list_objects_v2(Bucket="data", Prefix="a b")
        assert double.problems == []
        assert {seen.headers["host"] for seen in double.seen} == {f"data.localhost:{double.port}"}
        assert [seen.path for seen in double.seen] == ["/a%20b/%C3%BC/c"] * 2 + ["/"]


def test_virtual_is_the_default_style(serve: Any) -> None:
    with S3Double() as double:
        entry = double.entry(host="localhost", addressing_style=None)
        serve({"data": entry}).boto().put_object(Bucket="data", Key="k", Body=b"x")
        assert double.seen[0].headers["host"] == f"data.localhost:{double.port}"
