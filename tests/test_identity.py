"""docs/identity.md as it stands there: from each kind of identity to the first object."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import cluster, keycloak
from helpers.children import Child
from helpers.cli import write_toml
from helpers.issuer import Issuer
from helpers.pages import DOCS, Block, Shell, blocks
from helpers.ports import free_port
from helpers.service import Quiet, Service
from helpers.stores import Store

PAGE = (DOCS / "identity.md").read_text(encoding="utf-8")


def section(title: str) -> dict[str, list[Block]]:
    """The code below a heading, by its language."""
    start = PAGE.index(f"\n## {title}\n")
    lines = range(
        PAGE.count("\n", 0, start) + 1, 1 + PAGE.count("\n", 0, PAGE.find("\n## ", start + 1))
    )
    found: dict[str, list[Block]] = {}
    for block in blocks(DOCS / "identity.md"):
        if block.line in lines:
            found.setdefault(block.language, []).append(block)
    return found


class Owner:
    """Follows the page in a folder, with a store of the tests in the place of AWS."""

    def __init__(self, stack: ExitStack, folder: Path, store: Store) -> None:
        self.stack, self.store, self.bucket = stack, store, store.make_bucket()
        self.port = free_port()
        entry = {"photos": store.entry(bucket=self.bucket)}
        file = write_toml(folder / "entry", {"e": entry})
        env = {
            "OSP_COS_MAP": file.read_text().removeprefix("e = ").strip(),
            "OSP_HTTP_PORT": str(self.port),
        }
        swaps = dict.fromkeys(PROXIES, f"http://127.0.0.1:{self.port}")
        self.shell = Shell(folder, env, swaps)

    def serves(self, addition: Block, **swaps: str) -> None:
        """The beginning of the page's configuration and this, in which an issuer is another."""
        self.shell.swaps = {**self.shell.swaps, **swaps}
        text = self.shell.swapped(blocks(DOCS / "identity.md", "toml")[0].text + addition.text)
        folder = self.shell.folder
        (folder / "proxy.toml").write_text(text)
        self.shell.run("object-storage-proxy check-config\n")
        self.child = self.runs("object-storage-proxy serve")
        self.child.listening(self.port)

    def runs(self, command: str) -> Child:
        child = Child(
            ["bash", "-euc", f"exec {command}"],
            self.shell.folder / "log",
            self.shell.env,
            self.shell.folder,
        )
        return self.stack.enter_context(child)

    def brings(self, name: str, script: Path) -> None:
        """A script to call by its name, although nobody made it executable."""
        folder = self.shell.folder / "bin"
        folder.mkdir()
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec bash {script} "$@"\n')
        program.chmod(0o755)
        self.shell.env["PATH"] = f"{folder}{os.pathsep}{self.shell.env['PATH']}"

    def has(self, *keys: str) -> None:
        assert self.store.keys_in(self.bucket) == list(keys), self.child.output()


PROXIES = ("http://127.0.0.1:8080", "https://s3.example.com")


PLAIN = '"is_tls_enabled": False, "addressing_style": "path"'


@pytest.fixture
def owner(tmp_path: Path, any_store: Any) -> Iterator[Owner]:
    with ExitStack() as stack:
        yield Owner(stack, tmp_path, any_store)


@pytest.mark.identity
@pytest.mark.timeout(900)
def test_from_keycloak(owner: Owner, tmp_path_factory: pytest.TempPathFactory) -> None:
    code = section("From Keycloak")
    prepare, use = code["sh"]
    with keycloak.keycloak(tmp_path_factory.mktemp("keycloak")) as server:
        url = server.issuer.partition("/realms/")[0]
        owner.brings("kcadm.sh", keycloak.BROUGHT / "bin" / "kcadm.sh")
        owner.shell.env["KC_CLI_PASSWORD"] = "admin"
        owner.serves(code["toml"][0], **{"https://keycloak.example.com": url})
        owner.shell.run(prepare.text)
        owner.shell.run(use.text)
    owner.has("nightly/first")


class GitHub:
    """GitHub as a job sees it: an address that gives tokens of GitHub's form."""

    REPOSITORY, TOKEN = "acme/site", "token-of-the-run"

    def __init__(self, stack: ExitStack) -> None:
        issuer = self.issuer = stack.enter_context(Issuer(algorithm="RS256"))
        self.claims: dict[str, str] = {
            "sub": f"repo:{self.REPOSITORY}:ref:refs/heads/main",
            "repository": self.REPOSITORY,
            "repository_id": "74",
            "repository_owner": "acme",
            "repository_owner_id": "65",
            "ref": "refs/heads/main",
            "ref_type": "branch",
            "event_name": "push",
            "job_workflow_ref": f"{self.REPOSITORY}/.github/workflows/publish.yml@refs/heads/main",
            "runner_environment": "github-hosted",
        }
        github = self

        class Handler(Quiet):
            def do_GET(self) -> None:
                right = self.headers["Authorization"] == f"Bearer {github.TOKEN}"
                self.send_response(200 if right else 401)
                self.end_headers()
                audience = self.path.partition("&audience=")[2]
                token = issuer.token(aud=audience, **github.claims)
                self.wfile.write(json.dumps({"count": len(token), "value": token}).encode())

        service = stack.enter_context(Service(Handler))
        self.variables = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{service.port}/t?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.TOKEN,
        }

    def run(self, workflow: Any, shell: Shell) -> None:
        """Its only job, as a runner does it."""
        assert workflow["permissions"]["id-token"] == "write"
        (job,) = workflow["jobs"].values()
        variables = shell.folder / "variables"
        shell.env |= {**self.variables, **job["env"]}
        shell.env |= {"RUNNER_TEMP": str(shell.folder), "GITHUB_ENV": str(variables)}
        for step in job["steps"]:
            shell.run(step["run"])
            given = variables.read_text().splitlines()
            shell.env |= dict(line.split("=", 1) for line in given)


@pytest.mark.slow
def test_from_github_actions(owner: Owner) -> None:
    code = section("From GitHub Actions")
    github = GitHub(owner.stack)
    owner.serves(
        code["toml"][0], **{"https://token.actions.githubusercontent.com": github.issuer.url}
    )
    workflow = yaml.safe_load(owner.shell.swapped(code["yaml"][0].text))
    github.run(workflow, owner.shell)
    owner.has("site/index.html")
    for claim, value in (
        ("repository", "eve/site"),
        ("ref", "refs/heads/other"),
        ("repository_owner_id", "66"),
    ):
        old = github.claims[claim]
        github.claims[claim] = value
        with pytest.raises(AssertionError, match="AccessDenied"):
            github.run(workflow, owner.shell)
        github.claims[claim] = old


@pytest.mark.identity
def test_from_kubernetes(owner: Owner, tmp_path_factory: pytest.TempPathFactory) -> None:
    code = section("From Kubernetes")
    (ask,), (toml,), (manifests,) = code["sh"], code["toml"], code["yaml"]
    account, pod = yaml.safe_load_all(owner.shell.swapped(manifests.text))
    folder = owner.shell.folder
    with cluster.api_server(tmp_path_factory.mktemp("cluster")) as (_, admin):
        owner.shell.env["KUBECONFIG"] = str(admin.kubeconfig(folder))
        if shutil.which("kubectl"):
            assert owner.shell.run(ask.text) == f"{admin.url}\n"
        for name in ("team", "proxy"):
            admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
        for manifest in (account, pod):
            response = admin.apply("team", manifest)
            assert response.status_code == 201, response.text
        own, theirs = folder / "proxys-token", folder / "pods-token"
        own.write_text(cluster.account_token(admin, "proxy", "proxy", admin.url))
        mounted = pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]
        name = pod["spec"]["serviceAccountName"]
        theirs.write_text(cluster.account_token(admin, "team", name, mounted["audience"]))
        secrets = "/var/run/secrets/kubernetes.io/serviceaccount"
        issuer = {
            "https://kubernetes.default.svc.cluster.local": admin.url,
            f"{secrets}/ca.crt": str(admin.authority),
            f"{secrets}/token": str(own),
        }
        owner.serves(toml, **issuer)
        (container,) = pod["spec"]["containers"]
        owner.shell.env |= {each["name"]: each["value"] for each in container["env"]}
        owner.shell.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(theirs)
        owner.shell.run(container["command"][-1])
    owner.has("reports/first")


@pytest.mark.slow
def test_from_an_application(owner: Owner) -> None:
    code = section("From your own web application")
    serve, use = code["sh"]
    web = free_port()
    shell = owner.shell
    shell.swaps = {
        **shell.swaps,
        "http_port=8080": f"http_port={owner.port}",
        '"s3.eu-west-1.amazonaws.com"': f'"localhost", "bucket": "{owner.bucket}"',
        '"port": 443': f'"port": {owner.store.port}, {PLAIN}',
        '"eu-west-1"': f'"{owner.store.entry()["region"]}"',
        "127.0.0.1:8000": f"127.0.0.1:{web}",
        '"127.0.0.1", 8000': f'"127.0.0.1", {web}',
        "STORE_KEY=...": f"STORE_KEY={owner.store.keys.access}",
        "STORE_SECRET=...": f"STORE_SECRET={owner.store.keys.secret}",
        "TOKEN=...": "TOKEN=token-of-ann",
    }
    (shell.folder / "app.py").write_text(shell.swapped(code["python"][0].text))
    variables, command = serve.text.splitlines(keepends=True)
    shell.env |= dict(pair.split("=") for pair in shell.swapped(variables).split()[1:])
    owner.child = owner.runs(command)
    owner.child.listening(web)
    shell.run(use.text)
    owner.has("home/ann/first")


def test_each_way_has_its_test() -> None:
    """Those with real issuers are not run by `./build.sh test`."""
    titles = [line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## ")]
    ways = [title for title in titles if title.startswith("From")]
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [title for title in ways if f'section("{title}")' not in tests] == []
