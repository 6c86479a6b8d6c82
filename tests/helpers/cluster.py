"""A Kubernetes without machines: its API server, its controllers, and nodes that KWOK plays.

What is asked of the API server is answered as anywhere: unknown fields, permissions, Pod
Security, rollouts, evictions. Pods become ready, but nothing runs in them.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from helpers.chart import ROOT
from helpers.children import Child
from helpers.ports import free_port
from helpers.wait import until

BINARIES = ROOT / ".build" / "k8s"  # what `kubernetes` of tests/tools/bring.sh builds
CONTROLLERS = (
    *("deployment-controller", "replicaset-controller", "disruption-controller"),
    *("endpointslice-controller", "garbage-collector-controller", "namespace-controller"),
    *("horizontal-pod-autoscaler-controller", "serviceaccount-controller"),
)

Object = dict[str, Any]


class Cluster:
    """The API as one of its users sees it."""

    def __init__(self, url: str, authority: Path, token: str) -> None:
        self.url, self.authority, self.token = url, authority, token
        self._client = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=str(authority)),
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        return self._client.request(method, path, json=body, params=query)

    def ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz").status_code == 200
        except httpx.TransportError:  # of a connection to one that has ended
            return False

    def get(self, path: str, **query: str) -> Object:
        """What is at a path, which must be there."""
        response = self.ask("GET", path, **query)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def create(self, path: str, body: Object) -> Object:
        response = self.ask("POST", path, body)
        assert response.status_code == 201, response.text
        return dict(response.json())

    def merge(self, path: str, body: Object) -> None:
        """Changes what is at a path."""
        kind = {"Content-Type": "application/merge-patch+json"}
        response = self._client.patch(path, json=body, headers=kind)
        assert response.status_code == 200, response.text

    def apply(self, namespace: str, manifest: Object, **query: str) -> httpx.Response:
        """Applies a manifest as `kubectl apply --server-side` does; unknown fields are errors."""
        name = manifest["metadata"]["name"]
        return self._client.patch(
            f"{self._collection(manifest, namespace)}/{name}",
            content=yaml.safe_dump(manifest),
            headers={"Content-Type": "application/apply-patch+yaml"},
            params={"fieldManager": "test", "fieldValidation": "Strict", **query},
        )

    def _collection(self, manifest: Object, namespace: str) -> str:
        version = manifest["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        (kind,) = (
            each
            for each in self.get(root)["resources"]
            if each["kind"] == manifest["kind"] and "/" not in each["name"]
        )
        where = f"/namespaces/{namespace}" if kind["namespaced"] else ""
        return f"{root}{where}/{kind['name']}"

    def kubeconfig(self, folder: Path) -> Path:
        """A file with which programs act as this user."""
        file = folder / f"kubeconfig-{secrets.token_hex(4)}"
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        context = {"cluster": "test", "user": "test"}
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": "test", "user": {"token": self.token}}],
                    "contexts": [{"name": "test", "context": context}],
                    "current-context": "test",
                }
            )
        )
        return file


class ApiServer:
    """An API server, whose address is that of the issuer of its tokens: both can be reached."""

    def __init__(self, start: Any, folder: Path, database: str) -> None:
        self._start, self._folder, self._database = start, folder, database
        self._port = free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.authority = folder / "certificates/apiserver.crt"
        self._keys = [folder / "accounts.pem"]  # the first one signs
        _key(self._keys[0])
        self._child = self._run()

    def as_user(self, token: str) -> Cluster:
        return Cluster(self.url, self.authority, token)

    def rotate(self, admin: Cluster, *, keep: bool) -> None:
        """Starts again with a new key for tokens; the old one still verifies if it is kept."""
        new = self._folder / f"accounts-{secrets.token_hex(4)}.pem"
        _key(new)
        self._keys = [new, *(self._keys if keep else [])]
        self._child.stop()
        self._child = self._run()
        until(admin.ready, "the API server", 120)

    def moved(self, token: str, seconds: int) -> str:
        """A token that the server would have made that much later, as it would have signed it."""
        claims = jwt.decode(token, options={"verify_signature": False})
        times = {name: claims[name] + seconds for name in ("iat", "nbf", "exp")}
        head = jwt.get_unverified_header(token)
        key = self._keys[0].read_bytes()
        return jwt.encode({**claims, **times}, key, head["alg"], headers={"kid": head["kid"]})

    def _run(self) -> Child:
        child = self._start(
            "kube-apiserver",
            f"--etcd-servers={self._database}",
            f"--cert-dir={self._folder / 'certificates'}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            f"--service-account-issuer={self.url}",
            f"--service-account-jwks-uri={self.url}/openid/v1/jwks",
            *(f"--service-account-key-file={key}" for key in self._keys),
            f"--service-account-signing-key-file={self._keys[0]}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # KWOK's nodes are ready at once, and nobody would take away the mark that they are not.
            "--disable-admission-plugins=TaintNodesByCondition",
            "--endpoint-reconciler-type=none",
        )
        child.listening(self._port, 120)
        return child  # type: ignore[no-any-return]


@contextmanager
def running(folder: Path, users: dict[str, str]) -> Iterator[dict[str, Cluster]]:
    """A cluster; yields it as each of these users, given with their groups."""
    with ExitStack() as stack:
        start = _starter(stack, folder)
        _, seen = _control_plane(stack, start, folder, users)
        _controllers(start, folder, seen["admin"])
        yield seen


@contextmanager
def api_server(folder: Path) -> Iterator[tuple[ApiServer, Cluster]]:
    """An API server alone, and as its administrator sees it.

    It tells service accounts, and nobody else, by which keys their tokens are signed.
    """
    with ExitStack() as stack:
        start = _starter(stack, folder)
        server, seen = _control_plane(stack, start, folder, {"admin": "system:masters"})
        yield server, seen["admin"]


def account_token(admin: Cluster, namespace: str, account: str, audience: str) -> str:
    """A token such as pods get by a projected volume, for an account that is made with it."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    if admin.ask("GET", f"{accounts}/{account}").status_code == 404:
        admin.create(accounts, {"metadata": {"name": account}})
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": 600},
    }
    return str(admin.create(f"{accounts}/{account}/token", request)["status"]["token"])


def _starter(stack: ExitStack, folder: Path) -> Any:
    def start(program: str, *args: str) -> Child:
        log = folder / f"{program}.log"
        return stack.enter_context(Child([BINARIES / program, *args], log, cwd=folder))

    return start


def _control_plane(
    stack: ExitStack, start: Any, folder: Path, users: dict[str, str]
) -> tuple[ApiServer, dict[str, Cluster]]:
    """The API server and its database, and as each of these users sees it."""
    database = _etcd(start, folder)
    tokens = {name: secrets.token_urlsafe() for name in users}
    lines = [f'{tokens[n]},{n},{n},"{groups}"\n' for n, groups in users.items()]
    (folder / "tokens.csv").write_text("".join(lines))
    server = ApiServer(start, folder, database)
    seen = {name: server.as_user(token) for name, token in tokens.items()}
    for each in seen.values():
        stack.callback(each.close)
    until(seen["admin"].ready, "the API server", 120)
    return server, seen


def _etcd(start: Any, folder: Path) -> str:
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    etcd = start(
        "etcd",
        *("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        *("--initial-cluster", f"default={peer}"),
    )
    etcd.listening(int(client.rpartition(":")[2]), 60)
    return client


def _controllers(start: Any, folder: Path, admin: Cluster) -> None:
    config = str(admin.kubeconfig(folder))
    alone = ("--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0")
    names = ",".join(CONTROLLERS)
    account = f"--service-account-private-key-file={folder / 'accounts.pem'}"
    start(
        "kube-controller-manager",
        f"--kubeconfig={config}",
        f"--controllers={names}",
        account,
        *alone,
    )
    start("kube-scheduler", f"--kubeconfig={config}", *alone)
    stages = f"--config={BINARIES / 'stages.yaml'}"
    start("kwok", f"--kubeconfig={config}", "--manage-all-nodes=true", stages)


def _key(file: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
