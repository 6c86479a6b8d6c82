"""Fixtures: stores that run for the session, proxies in front of them, clients.

The proxy under test is the installed wheel, started in this very process, as
its users start it. Tests that need a process of their own use helpers.children.
"""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
import pytest
from helpers import certificates as pki
from helpers.clients import CLIENT as CLIENT
from helpers.clients import AwsCli, Keys, boto
from helpers.double import S3Double
from helpers.more_stores import MORE_STORES
from helpers.pair import PAIRS, Two
from helpers.scripts import Run, scripts
from helpers.stores import STORES, Store

ROOT = Path(__file__).resolve().parent.parent
APART = {"engines", "fleet", "identity", "kubernetes"}  # marks, each with an option of its name


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stores",
        default=",".join(STORES),
        help="the S3 stores to test against, separated by commas",
    )
    parser.addoption(
        "--engines",
        action="store_true",
        help="run the tests that need a JVM, and nothing else",
    )
    parser.addoption(
        "--kubernetes",
        action="store_true",
        help="run the tests that need a Kubernetes of their own, and nothing else",
    )
    parser.addoption(
        "--identity",
        action="store_true",
        help="run the tests with Keycloak, Kubernetes and more clients, and nothing else",
    )
    parser.addoption(
        "--fleet",
        action="store_true",
        help="run the long tests of replicas, and nothing else",
    )
    parser.addoption(
        "--update-docs",
        action="store_true",
        help="write documents that are made of what the tests see",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long to build has a command of its own."""
    wanted = {name for name in APART if config.getoption(name)}
    chosen = [i for i in items if wanted == {m.name for m in i.iter_markers()} & APART]
    config.hook.pytest_deselected(items=[i for i in items if i not in chosen])
    items[:] = chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        names = metafunc.config.getoption("stores").split(",")
        metafunc.parametrize("store", names, indirect=True, scope="session")


@pytest.fixture(scope="session", autouse=True)
def not_the_source_tree() -> None:
    """The tests are worthless if they run what was not packaged."""
    assert ROOT / "python" not in Path(osp.__file__).resolve().parents


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> pki.Certificates:
    return pki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session", autouse=True)
def environment(certificates: pki.Certificates, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Only what the tests give: no developer's AWS settings, no .env file."""
    # A shell that starts the tests in the background has them ignore Ctrl-C, and
    # their children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # likewise, by nohup
    for name in [n for n in os.environ if n.upper().startswith(("AWS_", "TLS_"))]:
        del os.environ[name]
    home = tmp_path_factory.mktemp("home")
    os.environ["AWS_CONFIG_FILE"] = str(home / "config")
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(home / "credentials")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["TLS_CERT_PATH"] = str(certificates.cert)
    os.environ["TLS_KEY_PATH"] = str(certificates.key)
    os.chdir(home)


@pytest.fixture(scope="session")
def running_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Store]]:
    """Starts each store at its first use and keeps it for the session."""
    with ExitStack() as stack:
        running: dict[str, Store] = {}

        def get(name: str) -> Store:
            if name not in running:
                folder = tmp_path_factory.mktemp(name)
                running[name] = stack.enter_context({**STORES, **MORE_STORES}[name](folder))
            return running[name]

        yield get


@pytest.fixture(scope="session")
def store(request: pytest.FixtureRequest, running_stores: Callable[[str], Store]) -> Store:
    """Each real store in turn."""
    return running_stores(request.param)


@pytest.fixture(scope="session")
def any_store(request: pytest.FixtureRequest, running_stores: Callable[[str], Store]) -> Store:
    """One store, for tests that are about the proxy alone."""
    return running_stores(request.config.getoption("stores").split(",")[0])


@pytest.fixture(scope="session")
def minio(request: pytest.FixtureRequest, running_stores: Callable[[str], Store]) -> Store:
    """MinIO, for features that others lack."""
    if "minio" not in request.config.getoption("stores").split(","):
        pytest.skip("not among --stores")
    return running_stores("minio")


def settings(cos_map: dict[str, Any], **changes: Any) -> osp.ProxyServerConfig:
    """The configuration that most tests have in common."""
    common: dict[str, Any] = {
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "http_port": 0,
        "https_port": 0,
        "host": "127.0.0.1",
    }
    return osp.ProxyServerConfig(cos_map=cos_map, **{**common, **changes})


@dataclass(frozen=True)
class Front:
    """A running proxy as its clients see it."""

    server: osp.ProxyServer
    ca: Path
    home: Path

    def url(self, scheme: str = "http") -> str:
        url = self.server.https_url if scheme == "https" else self.server.http_url
        assert url is not None
        return url

    def tls_context(self) -> ssl.SSLContext:
        """For clients that are no SDK."""
        return ssl.create_default_context(cafile=str(self.ca))

    def boto(self, scheme: str = "http", keys: Keys = CLIENT, **kwargs: Any) -> Any:
        return boto(self.url(scheme), keys, ca=self.ca if scheme == "https" else None, **kwargs)

    def aws(self, scheme: str = "http", keys: Keys = CLIENT) -> AwsCli:
        return AwsCli(self.url(scheme), keys, self.home, self.ca if scheme == "https" else None)


Serve = Callable[..., Front]


@pytest.fixture
def double() -> Iterator[S3Double]:
    """A store that checks what it gets, with two objects in the bucket "data"."""
    with S3Double() as running:
        running.objects = {b"/data/k": b"x", b"/data/l": b"x"}
        yield running


@pytest.fixture
def serve(certificates: pki.Certificates, tmp_path: Path) -> Iterator[Serve]:
    """Starts proxies that end with the test: serve(cos_map, **configuration)."""
    with ExitStack() as stack:

        def start(cos_map: dict[str, Any], **changes: Any) -> Front:
            server = stack.enter_context(osp.ProxyServer(settings(cos_map, **changes)))
            return Front(server, certificates.ca, tmp_path)

        yield start


@pytest.fixture
def run_script(tmp_path: Path) -> Iterator[Run]:
    """Runs scripts of an owner, each in a process of its own, that end with the test."""
    with scripts(tmp_path) as start:
        yield start


@dataclass(frozen=True)
class Place:
    """A bucket of a store, and a proxy in front of it."""

    store: Store
    bucket: str
    front: Front

    @property
    def direct(self) -> Any:
        return self.store.client()


@pytest.fixture(scope="session")
def place(
    store: Store, certificates: pki.Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A bucket on each store behind a proxy with one key pair and no callbacks."""
    bucket = store.make_bucket()
    with osp.ProxyServer(settings({bucket: store.entry()})) as server:
        yield Place(store, bucket, Front(server, certificates.ca, tmp_path_factory.mktemp("cli")))


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: " to ".join(pair))
def two(
    request: pytest.FixtureRequest,
    running_stores: Callable[[str], Store],
    certificates: pki.Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Two]:
    """Each pair of stores, with a proxy in front of both."""
    source, target = request.param
    wanted = request.config.getoption("stores").split(",")
    if not {source, target} <= set(wanted):
        pytest.skip("not among --stores")
    folder = tmp_path_factory.mktemp("two")
    with ExitStack() as stack:
        first, second = running_stores(source), running_stores(target)
        if source == target:
            second = stack.enter_context(STORES[target](folder / "second"))
        buckets = {"from": first.make_bucket(), "near": second.make_bucket()}
        buckets["target"] = second.make_bucket()
        cos_map = {
            "from": first.entry(bucket=buckets["from"]),
            "near": second.entry(bucket=buckets["near"]),
            "target": second.entry(bucket=buckets["target"]),
        }
        server = stack.enter_context(osp.ProxyServer(settings(cos_map)))
        yield Two(first, second, Front(server, certificates.ca, folder), buckets)


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def s3(place: Place, scheme: str) -> Any:
    """boto3 with default settings, over http and https, through the proxy."""
    return place.front.boto(scheme)
