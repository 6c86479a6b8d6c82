"""Configurations: what is accepted, and how every mistake is told at once."""

from __future__ import annotations

import inspect
import os
import pickle
import re
import socket
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import object_storage_proxy as osp
import pytest
from conftest import CLIENT
from helpers.ports import free_port

ENTRY = {"host": "localhost", "port": 9000}


def mistakes(**changes: Any) -> dict[str, str]:
    """The mistakes in a configuration, by path."""
    settings = {"cos_map": {"data": ENTRY}, "http_port": 0, "host": "127.0.0.1", **changes}
    with pytest.raises(osp.ConfigError) as caught:
        osp.ProxyServer(osp.ProxyServerConfig(**settings)).start()
    assert isinstance(caught.value, ValueError)
    return dict(caught.value.mistakes)


def test_every_mistake_is_told_at_once_with_its_path(tmp_path: Path) -> None:
    found = mistakes(
        cos_map={"one": {"port": 70000}, "two": {**ENTRY, "colour": "red"}, "three": 3},
        hmac_keystore=[{"access_key": "a", "secret_key": ""}, {"secret_key": "s"}],
        http_port=-1,
        https_port=0,
        tls_cert_path=tmp_path / "missing.pem",
        validator="not callable",
        threads="many",
    )
    assert set(found) >= {
        'cos_map["one"].host',
        'cos_map["one"].port',
        'cos_map["two"].colour',
        'cos_map["three"]',
        "hmac_keystore[0].secret_key",
        "hmac_keystore[1].access_key",
        "http_port",
        "tls_cert_path",
        "validator",
        "threads",
    }


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"http_port": None}, "http_port"),
        ({"http_port": "80"}, "http_port"),
        ({"http_port": True}, "http_port"),
        ({"http_port": 65536}, "http_port"),
        ({"cos_map": None}, "cos_map"),
        ({"cos_map": [("data", ENTRY)]}, "cos_map"),
        ({"cos_map": {"data": {**ENTRY, "port": "9000"}}}, 'cos_map["data"].port'),
        ({"cos_map": {"data": {**ENTRY, "ttl": -1}}}, 'cos_map["data"].ttl'),
        ({"cos_map": {"data": {**ENTRY, "ttl": float("nan")}}}, 'cos_map["data"]["ttl"]'),
        ({"cos_map": {"data": {**ENTRY, "access_key": "a"}}}, 'cos_map["data"].secret_key'),
        ({"cos_map": {"data": {**ENTRY, "addressing_style": "x"}}}, None),
        ({"hmac_keystore": {"a": "s"}}, "hmac_keystore"),
        ({"cos_map": {"data": {**ENTRY, "anonymous": True}}}, 'cos_map["data"].anonymous'),
        ({"hmac_ttl": -1}, "hmac_ttl"),
        ({"hmac_ttl": "300"}, "hmac_ttl"),
        ({"callback_timeout": 0}, "callback_timeout"),
        ({"callback_concurrency": 0}, "callback_concurrency"),
        ({"trusted_proxies": ["10.0.0.0/40"]}, "trusted_proxies[0]"),
        ({"auth_cache_by": ["colour"]}, "auth_cache_by[0]"),
        ({"iam_endpoint": "iam.example"}, "iam_endpoint"),
        ({"validator": lambda: True}, "validator"),
        ({"validator": lambda a, b, c, d: True}, "validator"),
        ({"hmac_fetcher": lambda: ""}, "hmac_fetcher"),
        ({"bucket_creds_fetcher": lambda token: ""}, "bucket_creds_fetcher"),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),
)
def test_one_mistake(changes: dict[str, Any], path: str | None) -> None:
    found = mistakes(**changes)
    assert len(found) == 1
    if path:
        assert set(found) == {path}


class Unreadable(Mapping[str, Any]):
    """A mapping of the owner's that fails, as one that is read from a file may."""

    def __getitem__(self, key: str) -> Any:
        raise LookupError

    def __iter__(self) -> Iterator[str]:
        raise LookupError

    def __len__(self) -> int:
        return 1


class UnreadablePath(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise LookupError


ENDLESS: list[Any] = []
ENDLESS += [ENDLESS] * 9
WRONG = [
    "x",
    "\udcff",
    "a\0b",
    b"x",
    True,
    -1,
    1.5,
    10**400,
    -(10**5000),
    float("nan"),
    float("inf"),
    Decimal(3),
    1j,
    object(),
    int,
    [None],
    [b"x"],
    {"x"},
    {"x": object()},
    {1: 2},
    ENDLESS,
    Unreadable(),
    UnreadablePath(),
]
NEVER_NONE = [
    "host",
    "reuse_port",
    "metrics_host",
    "access_log_format",
    "proxy_protocol",
    "callback_concurrency",
    "callback_queue",
    "callback_timeout",
    "hmac_ttl",
    "http2",
    "drain_delay",
    "drain_timeout",
    "show_reasons",
    "shared_namespace",
    "shared_timeout",
    "shared_uses",
    "shared_required",
    "shadow_sample",
]


@pytest.mark.parametrize("name", inspect.signature(osp.ProxyServerConfig).parameters)
def test_a_value_of_a_wrong_type_is_a_mistake_of_its_parameter(name: str) -> None:
    """Some of these fit some parameters; what does not fit is told and nothing else."""
    for value in WRONG:
        good = {"cos_map": {"data": ENTRY}, "http_port": 0, "host": "127.0.0.1"}
        server = osp.ProxyServer(osp.ProxyServerConfig(**{**good, name: value}))
        for use in (server.check, server.start):
            told: list[tuple[str, str]] = []
            try:
                use()
            except osp.ConfigError as error:
                told = error.mistakes or [("", "nothing")]
            except OSError:
                assert name in ("host", "metrics_host", "unix_socket", "access_log"), value
            for path, message in told:
                assert re.split(r"[\[.]", path)[0] == name, (value, path, message)
        server.stop()
        assert server.http_url is None


@pytest.mark.parametrize("name", inspect.signature(osp.ProxyServerConfig).parameters)
def test_none_is_no_value_where_the_type_does_not_name_it(name: str) -> None:
    good = {"cos_map": {"data": ENTRY}, "http_port": 0, "host": "127.0.0.1"}
    server = osp.ProxyServer(osp.ProxyServerConfig(**{**good, name: None}))
    if name in NEVER_NONE:
        with pytest.raises(osp.ConfigError, match=f"^{name}: must not be None$"):
            server.start()
    elif name not in ("cos_map", "http_port"):
        server.check()


@pytest.mark.parametrize(
    "name", ["callback_timeout", "drain_delay", "drain_timeout", "shared_timeout"]
)
@pytest.mark.parametrize("value", ["x", True, float("nan"), [], 10**400, -1, 1e9])
def test_a_time_is_a_number_of_seconds(name: str, value: Any) -> None:
    assert set(mistakes(**{name: value})) == {name}


def test_what_changes_after_the_start_has_no_effect() -> None:
    config = osp.ProxyServerConfig({"data": ENTRY}, http_port=0, host="127.0.0.1")
    with osp.ProxyServer(config) as server:
        url = server.http_url
        for name in inspect.signature(osp.ProxyServerConfig).parameters:
            setattr(config, name, None)
        assert server.http_url == url
    assert server.http_url is None


def test_no_mistake_quotes_a_secret() -> None:
    with pytest.raises(osp.ConfigError) as caught:
        osp.ProxyServer(
            osp.ProxyServerConfig(
                cos_map={"data": {**ENTRY, "port": 0, "secret_key": "s3cret-of-store"}},
                hmac_keystore=[{"access_key": "", "secret_key": "s3cret-of-client"}],
            )
        ).start()
    assert "s3cret" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("value", ["", None, object(), [object()]])
def test_a_key_that_may_be_a_secret_is_not_named(value: object) -> None:
    """Some write {"the access key": "the secret"}, or the other way round."""
    with pytest.raises(osp.ConfigError) as caught:
        osp.ProxyServer(
            osp.ProxyServerConfig({"data": ENTRY}, [{"s3cret": value}], http_port=0)  # type: ignore[dict-item]
        ).start()
    assert "hmac_keystore[0]" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_repr_shows_no_secret() -> None:
    config = osp.ProxyServerConfig(
        {"data": {**ENTRY, "api_key": "s3cret"}}, [{"access_key": "a", "secret_key": "s3cret"}]
    )
    assert "s3cret" not in repr(config) + repr(osp.ProxyServer(config))


def test_a_config_error_survives_pickling() -> None:
    error = osp.ConfigError([("http_port", "is required"), ("threads", "must be a number")])
    again = pickle.loads(pickle.dumps(error))
    assert (again.mistakes, str(again)) == (error.mistakes, str(error))


def test_an_unreadable_certificate(tmp_path: Path) -> None:
    broken = tmp_path / "cert.pem"
    broken.write_text("no certificate")
    found = mistakes(http_port=None, https_port=0, tls_cert_path=broken)
    assert "tls_cert_path" in next(iter(found))


def test_a_port_in_use_is_an_os_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = osp.ProxyServerConfig({"data": ENTRY}, http_port=port, host="127.0.0.1")
        for start in (osp.ProxyServer(config).start, partial(osp.start_server, config)):
            with pytest.raises(OSError, match="in use"):
                start()
        # A front that was bound already is given back when the other one can't be.
        free = free_port()
        config.http_port, config.https_port = free, port
        with pytest.raises(OSError, match="in use"):
            osp.ProxyServer(config).start()
        config.https_port = None
        with osp.ProxyServer(config) as server:
            assert server.http_url == f"http://127.0.0.1:{free}"


def test_what_is_none_is_not_given() -> None:
    nothing = dict.fromkeys(
        ["region", "api_key", "access_key", "secret_key", "ttl", "addressing_style", "tls"]
    )
    config = osp.ProxyServerConfig(
        {"data": {**ENTRY, **nothing}},
        None,
        None,
        0,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        host="127.0.0.1",
    )
    with osp.ProxyServer(config) as server:
        assert server.https_url is None
        assert server.http_url
        with pytest.raises(HTTPError) as refused:
            urlopen(server.http_url, timeout=10)
        assert refused.value.code == 403
        assert refused.value.headers["Server"].encode("latin-1").decode() == "<osp⚡>"


def test_counting_counts_only_when_it_is_on(serve: Any) -> None:
    s3 = serve({"data": ENTRY}).boto()
    before = osp.get_request_count()
    s3.list_buckets()
    assert osp.get_request_count() == before
    osp.enable_request_counting()
    s3.list_buckets()
    s3.list_buckets()
    osp.disable_request_counting()
    s3.list_buckets()
    assert osp.get_request_count() == before + 2


def test_two_servers_in_one_process(serve: Any) -> None:
    one, two = serve({"one-bucket": ENTRY}), serve({"two-bucket": ENTRY})
    names = [front.boto().list_buckets()["Buckets"][0]["Name"] for front in (one, two)]
    assert names == ["one-bucket", "two-bucket"]


def test_the_servers_name_is_in_every_answer(serve: Any) -> None:
    s3 = serve({"data": ENTRY}, server_name="my-proxy").boto()
    assert s3.list_buckets()["ResponseMetadata"]["HTTPHeaders"]["server"] == "my-proxy"
    assert CLIENT.access not in str(s3.list_buckets()["ResponseMetadata"])
