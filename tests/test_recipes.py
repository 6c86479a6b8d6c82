"""The recipes of docs/authorisation.md, run as they stand there."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ldap3
import object_storage_proxy as osp
import pytest
from conftest import Front
from helpers.clients import Keys, refused
from helpers.double import KEYS, S3Double
from helpers.service import Quiet, Service

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "authorisation.md").read_text(encoding="utf-8")


def recipe(title: str) -> dict[str, Any]:
    """The names that the code under a heading defines."""
    section = TEXT.partition(f"### {title}\n")[2].partition("\n### ")[0]
    code = "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    assert code, f"no recipe {title!r}"
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(code, f"docs/authorisation.md: {title}", "exec"), names)
    return names


def pair(name: str) -> dict[str, str]:
    return {"access_key": name, "secret_key": f"{name}-secret"}


def client(front: Front, name: str) -> Any:
    return front.boto(keys=Keys(name, f"{name}-secret"), retry=False)


def test_rules_by_prefix(serve: Any, store: Any) -> None:
    may = recipe("Rules by prefix")["may"]
    bucket = store.make_bucket()
    front = serve(
        {bucket: store.entry()}, validator=may, hmac_keystore=[pair("alice"), pair("bob")]
    )
    alice, bob = client(front, "alice"), client(front, "bob")
    for key in ("public/k", "team/bob/k", "team/eve/k"):
        alice.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert bob.get_object(Bucket=bucket, Key="public/k")["Body"].read() == b"x"
    assert bob.list_objects_v2(Bucket=bucket, Prefix="team/bob/")["KeyCount"] == 1
    bob.put_object(Bucket=bucket, Key="team/bob/l", Body=b"x")
    for call, more in (
        (bob.get_object, {"Key": "team/eve/k"}),
        (bob.put_object, {"Key": "public/k"}),
        (bob.list_objects_v2, {}),
        (bob.list_objects_v2, {"Prefix": "team/"}),
        (bob.get_bucket_acl, {}),
    ):
        assert refused(call, Bucket=bucket, **more).code == "AccessDenied"
    theirs = [{"Key": "team/bob/k"}, {"Key": "team/eve/k"}]
    done = bob.delete_objects(Bucket=bucket, Delete={"Objects": theirs})
    assert [e["Key"] for e in done["Errors"]] == ["team/eve/k"]
    assert sorted(store.keys_in(bucket)) == ["public/k", "team/bob/l", "team/eve/k"]


def test_a_jwt_as_the_access_key(
    serve: Any, double: S3Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_KEY", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("SECRETS_KEY", "fedcba9876543210")
    names = recipe("A JWT as the access key")
    cos_map = {"data": double.entry(), "more": double.entry()}
    front = serve(cos_map, hmac_fetcher=names["hmac_fetcher"], validator=names["may"])
    s3 = front.boto(keys=Keys(*names["log_in"]("ann", ["data"])), retry=False)
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
    assert refused(s3.get_object, Bucket="more", Key="k").code == "AccessDenied"
    old = Keys(*names["log_in"]("ann", ["data"], seconds=-1))
    forged = names["jwt"].encode(
        {"sub": "eve", "buckets": ["data"], "exp": time.time() + 60}, "x" * 32, "HS256"
    )
    for keys in (old, Keys(forged, names["secret_for"](forged)), Keys("no token", "x")):
        refusal = refused(front.boto(keys=keys, retry=False).get_object, Bucket="data", Key="k")
        assert refusal.code == "InvalidAccessKeyId"


def test_groups_from_ldap(serve: Any, double: S3Double) -> None:
    names = recipe("Groups from LDAP")
    directory = ldap3.Connection(
        ldap3.Server("directory"), client_strategy=ldap3.MOCK_SYNC, raise_exceptions=True
    )
    for group, members in (("s3-readers", ["ann", "bob"]), ("s3-writers", ["ann"])):
        directory.strategy.add_entry(
            f"cn={group},ou=groups,dc=example,dc=org",
            {"objectClass": "posixGroup", "cn": group, "memberUid": members},
        )
    directory.bind()
    table = names["GroupTable"](directory, refresh=3600)
    table.start()
    front = serve(
        {"data": double.entry(ttl=0)},
        validator=table.may,
        hmac_keystore=[pair("ann"), pair("bob"), pair("eve")],
    )
    client(front, "ann").put_object(Bucket="data", Key="k", Body=b"y")
    assert client(front, "bob").get_object(Bucket="data", Key="k")["Body"].read() == b"y"
    assert refused(client(front, "bob").put_object, Bucket="data", Key="k").code == "AccessDenied"
    assert refused(client(front, "eve").get_object, Bucket="data", Key="k").code == "AccessDenied"
    table._stale = -1.0
    assert refused(client(front, "ann").get_object, Bucket="data", Key="k").code == "AccessDenied"


class Vault:
    """The key-value store of a vault, version 2."""

    TOKEN = "vault-token"

    def __init__(self) -> None:
        self.secrets: dict[str, Any] = {}
        self.asked: list[str] = []

    def __enter__(self) -> Vault:
        vault = self

        class Handler(Quiet):
            def do_GET(self) -> None:
                vault.asked.append(self.path)
                found = vault.secrets.get(self.path.removeprefix("/v1/secret/data/"))
                allowed = self.headers["X-Vault-Token"] == vault.TOKEN
                self.send_response(403 if not allowed else 404 if found is None else 200)
                body = json.dumps({"data": {"data": found}}).encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._service = Service(Handler)
        self._service.__enter__()
        self.url = f"http://127.0.0.1:{self._service.port}"
        return self

    def __exit__(self, *exc: object) -> None:
        self._service.__exit__(*exc)


def test_secrets_from_a_vault(
    serve: Any, double: S3Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Vault() as vault:
        store = {"access_key": KEYS.access, "secret_key": KEYS.secret}
        vault.secrets = {"s3-clients/ann": {"secret_key": "ann-secret"}, "s3-stores/data": store}
        monkeypatch.setenv("VAULT_ADDR", vault.url)
        monkeypatch.setenv("VAULT_TOKEN", vault.TOKEN)
        names = recipe("Secrets from a vault, asynchronously")
        front = serve(
            {"data": double.entry(access_key=None, secret_key=None)},
            hmac_keystore=None,
            hmac_fetcher=names["hmac_fetcher"],
            bucket_creds_fetcher=names["bucket_creds_fetcher"],
        )
        for _ in range(3):
            got = client(front, "ann").get_object(Bucket="data", Key="k")["Body"].read()
            assert got == b"x"
        assert vault.asked == [
            "/v1/secret/data/s3-clients/ann",
            "/v1/secret/data/s3-stores/data/ann",
            "/v1/secret/data/s3-stores/data",
        ]
        for name in ("eve", "../s3-stores/data"):
            refusal = refused(client(front, name).get_object, Bucket="data", Key="k")
            assert refusal.code == "InvalidAccessKeyId"


def test_ibm_and_aws_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_KEY", "AWS_SECRET", "IBM_API_KEY", "ALICE_SECRET"):
        monkeypatch.setenv(name, f"{name}-value")
    config = recipe("IBM and AWS side by side")["config"]
    config.http_port, config.host = 0, "127.0.0.1"
    with osp.ProxyServer(config) as server:
        assert server.http_url
        assert set(config.cos_map) == {"reports", "reports-ibm", "archive"}


def test_rights_that_change(serve: Any, double: S3Double) -> None:
    names = recipe("Rights that change, without a restart")
    allowed = {"ann"}
    cos_map = {"data": double.entry()}
    front = serve(cos_map, validator=lambda t, b: t in allowed, hmac_keystore=[pair("ann")])
    ann = client(front, "ann")
    changed = names["add_bucket"](front.server, cos_map, "more", double.entry(bucket="data"))
    assert set(changed) == {"data", "more"}
    assert ann.get_object(Bucket="more", Key="k")["Body"].read() == b"x"
    allowed.clear()
    names["revoke"](front.server, "ann")
    assert refused(ann.get_object, Bucket="more", Key="k").code == "AccessDenied"


class TestTypes:
    """What mypy says to a user who has installed the wheel."""

    def mypy(self, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
        (folder / "users_code.py").write_text(code, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "users_code.py"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)

    @pytest.mark.slow
    def test_every_form_of_callback_passes(self, tmp_path: Path) -> None:
        example = ROOT / "python" / "examples" / "callbacks.py"
        checked = self.mypy(tmp_path, example.read_text(encoding="utf-8"))
        assert checked.returncode == 0, checked.stdout + checked.stderr

    @pytest.mark.slow
    def test_what_can_not_work_does_not_pass(self, tmp_path: Path) -> None:
        checked = self.mypy(
            tmp_path,
            "import object_storage_proxy as osp\n"
            "def one(token: str) -> bool: return True\n"
            "def text(token: str, bucket: str) -> str: return 'yes'\n"
            "def nothing(key: str) -> int: return 1\n"
            "osp.ProxyServerConfig({}, validator=one)\n"
            "osp.ProxyServerConfig({}, validator=text)\n"
            "osp.ProxyServerConfig({}, hmac_fetcher=nothing)\n",
        )
        lines = {int(n) for n in re.findall(r"users_code\.py:(\d+): error", checked.stdout)}
        assert lines == {5, 6, 7}, checked.stdout + checked.stderr

    def test_the_example_makes_configurations_that_start(self) -> None:
        """Types promise nothing by themselves."""
        path = ROOT / "python" / "examples" / "callbacks.py"
        spec = importlib.util.spec_from_file_location("callbacks_example", path)
        assert spec
        assert spec.loader
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        loop = asyncio.new_event_loop()
        for config in example.configurations(loop):
            config.http_port, config.host = 0, "127.0.0.1"
            with osp.ProxyServer(config) as server:
                example.change(server)
        loop.close()
