"""After all that can be done with identities: no secret and no token stands anywhere."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers.children import Child
from helpers.clients import CLIENT, Keys, boto, refused
from helpers.double import KEYS, S3Double
from helpers.identity import ROLE, arn, known
from helpers.issuer import Issuer
from helpers.otlp import Collector
from helpers.ports import free_port
from helpers.wait import until

SCRIPT = """
import json, logging, signal, sys, threading
import object_storage_proxy as osp
logging.basicConfig(level=logging.DEBUG)
config = osp.ProxyServerConfig(
    **json.loads(sys.argv[1]),
    validator=lambda token, bucket, request: request["key"] != "l",
    role_assumer=lambda request: 1 / 0 if request["role"] == "broken" else osp.Session(),
)
with osp.ProxyServer(config) as server:
    keys = server.issue("app", ttl=600)
    with open("issued", "w") as out:
        json.dump([keys.access_key, keys.secret_key, keys.session_token], out)
    print(repr(keys), repr(config), repr(server), flush=True)
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    told.wait()
"""
Pair = tuple[str, str, str]  # access key, secret key, session token


class Scene:
    """A proxy that tells all that it may, and what clients were told but for their keys."""

    def __init__(self, stack: ExitStack, folder: Path, double: S3Double, issuer: Issuer) -> None:
        self.folder, self.issuer, self.told = folder, issuer, ""
        self.collector = stack.enter_context(Collector())
        self.port, self.metrics = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = {
            "cos_map": {"data": double.entry(bearer="writer")},
            "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
            "host": "127.0.0.1",
            "http_port": self.port,
            "metrics_port": self.metrics,
            "access_log": str(folder / "access.log"),
            "show_reasons": True,
            **known(issuer, writer={**ROLE, "keys": "*", "min_duration": 1}),
        }
        command = [sys.executable, "-c", SCRIPT, json.dumps(config)]
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.endpoint}
        self.child = stack.enter_context(Child(command, folder / "log", environment, folder))
        self.child.listening(self.port)
        self.http = stack.enter_context(httpx.Client(trust_env=False))

    def ask(self, method: str, target: str, status: int, **more: Any) -> httpx.Response:
        response = self.http.request(method, self.url + target, **more)
        assert response.status_code == status, response.text
        if status >= 400:
            self.told += f"{response.headers}{response.text}"
        return response

    def keys(self, token: str, role: str = "writer", status: int = 200, **more: str) -> Pair:
        """By STS as object_store asks, with everything in the URL."""
        query = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": arn(role),
            "RoleSessionName": "test",
            "WebIdentityToken": token,
            **more,
        }
        text = self.ask("POST", "/", status, params=query).text
        found = re.findall(r"<(?:AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<", text)
        return tuple(found)  # type: ignore[return-value]

    def fails(self, keys: Pair, code: str, name: str = "k") -> None:
        """By a signed request, and by a presigned URL."""
        how = {"retry": False, "signature_version": "s3v4"}
        s3 = boto(self.url, Keys(*keys[:2]), session_token=keys[2], **how)
        refusal = refused(s3.get_object, Bucket="data", Key=name)
        assert refusal.code == code
        self.told += str(refusal)
        url = s3.generate_presigned_url("get_object", {"Bucket": "data", "Key": name})
        assert code in self.ask("GET", url.removeprefix(self.url), refusal.status).text

    def everything(self) -> str:
        pages = [
            httpx.get(f"http://127.0.0.1:{self.metrics}{path}", trust_env=False).text
            for path in ("/metrics", "/", "/status.json")
        ]
        assert self.child.stop() == 0  # writes the rest of the access log and of the spans
        files = [(self.folder / name).read_text() for name in ("log", "access.log")]
        traces = f"{self.collector.spans}{self.collector.resource}"
        # Each has something to say, or it would prove nothing.
        for text, word in zip(
            (*pages, *files, traces, self.told),
            ("osp_sts", "<html", "{", "writer", "AssumeRole", "data", "ExpiredToken"),
            strict=True,
        ):
            assert word in text, text[:2000]
        return "".join([*pages, *files, traces, self.told])


@pytest.fixture
def scene(tmp_path: Path, double: S3Double) -> Iterator[Scene]:
    with ExitStack() as stack:
        issuer = stack.enter_context(Issuer())
        yield Scene(stack, tmp_path, double, issuer)


def test_no_secret_and_no_token_is_told(scene: Scene) -> None:
    token, foreign = scene.issuer.token(), scene.issuer.token(aud="another")
    over = scene.issuer.token(exp=int(time.time()) - 3600)
    begun, short = time.time(), scene.keys(token, DurationSeconds="1")
    until(lambda: time.time() > begun + 2, "the end of the keys")
    scene.fails(short, "ExpiredToken")
    keys, given = scene.keys(token), json.loads((scene.folder / "issued").read_text())
    for holder in (keys, tuple(given)):
        s3 = boto(scene.url, Keys(*holder[:2]), session_token=holder[2])
        assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
        scene.fails(holder, "AccessDenied", "l")
        scene.fails((*holder[:2], holder[2][:-4] + "AAAA"), "InvalidToken")
        scene.fails((holder[0], "wrong-secret", holder[2]), "SignatureDoesNotMatch")
    for bad in (foreign, over, token + "x"):
        scene.keys(bad, status=400)
    scene.keys(token, "broken", status=403)
    scene.keys(token, "no role", status=400)
    scene.keys(token, status=400, Policy=json.dumps({"Version": token}))
    contained = {"role": "writer"}
    for shown, status in ((token, 200), (foreign, 400)):
        headers = {"Authorization": shown}
        scene.ask("GET", "/-/credentials", status, params=contained, headers=headers)
        bearer = {"Authorization": f"Bearer {shown}"}
        scene.ask("GET", "/data/k", status, headers=bearer)
    scene.ask("GET", "/data/k", 403, params={"WebIdentityToken": token})
    everything = scene.everything()
    for secret in (CLIENT.secret, KEYS.secret, keys[1], short[1], given[1], "wrong-secret"):
        assert secret not in everything
    for signed in (token, foreign, over, keys[2], short[2], given[2]):
        # Not the beginning either, which is long enough to recognise; nor the signature.
        assert signed[:60] not in everything
        assert signed[-30:] not in everything
