"""A real Keycloak on 127.0.0.1, with one realm of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from helpers.chart import ROOT
from helpers.children import Child
from helpers.ports import free_port
from helpers.wait import until

BROUGHT = ROOT / ".build" / "keycloak"  # what `keycloak` of tests/tools/bring.sh unpacks
REALM = "acme"
_ADMIN = "admin"  # user and password, on a server that ends with the test


class Keycloak:
    """The realm, and what its administrator does there."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=200, trust_env=False)
        self.issuer = f"{url}/realms/{REALM}"

    def close(self) -> None:
        self._client.close()

    def ready(self) -> bool:
        try:
            return self._client.get("/realms/master").status_code == 200
        except httpx.TransportError:
            return False

    def workload(self, name: str, secret: str, audience: str, seconds: int = 300) -> None:
        """A client with an account of its own, whose tokens are for an audience."""
        mapper = {
            "name": "audience",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.custom.audience": audience, "access.token.claim": "true"},
        }
        client = {
            "clientId": name,
            "secret": secret,
            "serviceAccountsEnabled": True,
            "directAccessGrantsEnabled": True,
            "attributes": {"access.token.lifespan": str(seconds)},
            "protocolMappers": [mapper, _groups()],
        }
        self._create(f"/admin/realms/{REALM}/clients", client)

    def person(self, name: str, password: str, *groups: str) -> None:
        """A user, in groups that are made if they are not there."""
        for group in groups:
            self._create(f"/admin/realms/{REALM}/groups", {"name": group}, allowed=(201, 409))
        user = {
            "username": name,
            "enabled": True,
            "email": f"{name}@example.org",
            "emailVerified": True,
            "firstName": name,
            "lastName": name,
            "credentials": [{"type": "password", "value": password, "temporary": False}],
            "groups": list(groups),
        }
        self._create(f"/admin/realms/{REALM}/users", user)

    def foreign_token(self) -> str:
        """A token of another realm, which is another issuer at the same server."""
        form = {"grant_type": "password", "client_id": "admin-cli"}
        return self._token("master", {**form, "username": _ADMIN, "password": _ADMIN})

    def token_of_workload(self, name: str, secret: str) -> str:
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret}
        return self._token(REALM, form)

    def token_of_person(self, name: str, password: str, client: str, secret: str) -> str:
        form = {
            "grant_type": "password",
            "username": name,
            "password": password,
            "client_id": client,
            "client_secret": secret,
        }
        return self._token(REALM, form)

    def rotate(self, *, keep: bool) -> None:
        """Signs with a new key from now on; the old one still verifies if it is kept."""
        realm = self._admin("GET", f"/admin/realms/{REALM}").json()["id"]
        components, kind = f"/admin/realms/{REALM}/components", "org.keycloak.keys.KeyProvider"
        old = self._admin("GET", f"{components}?type={kind}").json()
        key = {
            "name": f"newer than {len(old)}",
            "providerId": "rsa-generated",
            "providerType": kind,
            "parentId": realm,
            "config": {"priority": [str(100 + len(old))], "enabled": ["true"], "active": ["true"]},
        }
        self._create(components, key)
        for each in old:
            if each["providerId"] == key["providerId"] and not keep:
                response = self._admin("DELETE", f"{components}/{each['id']}")
                assert response.status_code == 204, response.text

    def make_realm(self, seconds: int) -> None:
        """The realm, whose tokens end after that many seconds."""
        realm = {"realm": REALM, "enabled": True, "accessTokenLifespan": seconds}
        self._create("/admin/realms", realm)

    def _create(self, path: str, body: Any, allowed: tuple[int, ...] = (201,)) -> None:
        response = self._admin("POST", path, body)
        assert response.status_code in allowed, response.text

    def _admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.foreign_token()}"}
        return self._client.request(method, path, json=body, headers=headers)

    def _token(self, realm: str, form: dict[str, str]) -> str:
        response = self._client.post(f"/realms/{realm}/protocol/openid-connect/token", data=form)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])


def _groups() -> dict[str, Any]:
    return {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": "false", "access.token.claim": "true"},
    }


@contextmanager
def keycloak(folder: Path, *, token_seconds: int = 300) -> Iterator[Keycloak]:
    """Starts it with a database in memory, which takes half a minute."""
    port = free_port()
    command = [
        "java",
        *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        f"-Dkc.home.dir={BROUGHT}",
        f"-Djava.io.tmpdir={folder}",
        "-Djava.util.concurrent.ForkJoinPool.common.threadFactory="
        "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
        *("-cp", BROUGHT / "lib/quarkus-run.jar"),
        "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
        *("start", "--optimized"),
        *("--http-enabled", "true", "--http-host", "127.0.0.1", f"--http-port={port}"),
        "--hostname-strict=false",
    ]
    admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": _ADMIN}
    with Child(command, folder / "keycloak.log", env=admin) as server:
        seen = Keycloak(f"http://127.0.0.1:{port}")
        try:
            server.listening(port, 400)
            until(seen.ready, "Keycloak's realms", 100)
            seen.make_realm(token_seconds)
            yield seen
        finally:
            seen.close()
