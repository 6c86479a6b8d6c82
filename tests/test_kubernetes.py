"""The chart in Kubernetes: `./build.sh test k8s`, because building one takes long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.chart import CHART, VALUES, Manifest, helm, of_kind, rendered
from helpers.cluster import BINARIES, Cluster, running
from helpers.pages import DOCS, blocks
from helpers.wait import until

pytestmark = pytest.mark.kubernetes

NAMESPACE = "storage"
NAME = "release-object-storage-proxy"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
NODES = 4
MINIMAL: Manifest = {"config": {"cos_map": {"photos": {"host": "h", "port": 9000}}}, "replicas": 3}

matrix = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cluster]]:
    """With nodes, with what HTTPRoute and ServiceMonitor are, and a strict namespace."""
    folder = tmp_path_factory.mktemp("cluster")
    with running(folder, {"admin": "system:masters", "deployer": "deployers"}) as seen:
        admin = seen["admin"]
        for file in sorted((BINARIES / "crds").glob("*.yaml")):
            manifest = yaml.safe_load(file.read_text())
            assert admin.apply("", manifest).status_code == 201
            until(lambda m=manifest: served(admin, m), "the new kind", 60)
        strict = {f"pod-security.kubernetes.io/{how}": "restricted" for how in ("enforce", "warn")}
        namespace = {"metadata": {"name": NAMESPACE, "labels": strict}}
        admin.create("/api/v1/namespaces", namespace)
        for number in range(NODES):
            admin.create("/api/v1/nodes", node(number))
        until(
            lambda: all(ready(each) for each in admin.get("/api/v1/nodes")["items"]),
            "nodes are ready",
            60,
        )
        yield seen


def served(admin: Cluster, definition: Manifest) -> bool:
    group = definition["spec"]["group"]
    versions = [each["name"] for each in definition["spec"]["versions"] if each["served"]]
    return all(admin.ask("GET", f"/apis/{group}/{v}").status_code == 200 for v in versions)


def node(number: int) -> Manifest:
    labels = {
        "kubernetes.io/hostname": f"node-{number}",
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": f"zone-{number % 2}",
    }
    room = {"cpu": "8", "memory": "16Gi", "pods": "50"}
    return {
        "metadata": {"name": f"node-{number}", "labels": labels},
        "status": {"capacity": room, "allocatable": room},
    }


def ready(of: Manifest) -> bool:
    conditions = of["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@pytest.fixture
def admin(cluster: dict[str, Cluster]) -> Cluster:
    return cluster["admin"]


class Release:
    """The chart, installed by a user who may do nothing else."""

    def __init__(self, config: Path) -> None:
        self._config = config

    def helm(self, *args: str | Path, values: Manifest | None = None) -> str:
        where = ("--namespace", NAMESPACE, "--kubeconfig", self._config)
        given = ("--values", "-") if values is not None else ()
        done = helm(*args, *where, *given, text=yaml.safe_dump(values or {}))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, values: Manifest) -> None:
        self.helm("install", "release", CHART, "--wait", "--timeout", "60s", values=values)

    def upgrade(self, values: Manifest) -> None:
        self.helm("upgrade", "release", CHART, "--wait", "--timeout", "60s", values=values)


@pytest.fixture
def release(cluster: dict[str, Cluster], tmp_path: Path) -> Iterator[Release]:
    (block,) = (b for b in blocks(DOCS / "deployment.md", "yaml") if "kind: Role\n" in b.text)
    role = yaml.safe_load(block.text)
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    binding = {
        "apiVersion": role["apiVersion"],
        "kind": "RoleBinding",
        "metadata": {"name": "deployer"},
        "roleRef": {"kind": "Role", "name": role["metadata"]["name"], **group},
        "subjects": [{"kind": "User", "name": "deployer", **group}],
    }
    for manifest in (role, binding):
        response = cluster["admin"].apply(NAMESPACE, manifest)
        assert response.status_code in (200, 201), response.text
    release = Release(cluster["deployer"].kubeconfig(tmp_path))
    yield release
    release.helm("uninstall", "release", "--ignore-not-found", "--wait")
    pods = cluster["admin"]
    until(lambda: not pods.get(PODS)["items"], "the replicas are gone", 60)


@matrix
def test_the_api_server_takes_all_of_it(admin: Cluster, values: Path) -> None:
    """With every field known, and within the limits of restricted Pod Security."""
    for manifest in rendered(values, "--namespace", NAMESPACE):
        response = admin.apply(NAMESPACE, manifest, dryRun="All")
        assert response.status_code == 201, f"{manifest['kind']}: {response.text}"
        assert "warning" not in response.headers, f"{manifest['kind']}: {response.headers}"


@pytest.mark.parametrize("kind", ["Deployment", "Service", "HTTPRoute", "ServiceMonitor"])
def test_a_field_that_nobody_knows_is_refused(admin: Cluster, kind: str) -> None:
    (gateway,) = (file for file in VALUES if file.stem.startswith("gateway"))
    manifests = [m for m in rendered(gateway) if not m["metadata"]["name"].endswith("-metrics")]
    manifest = of_kind(manifests, kind)
    manifest["spec"]["replicaz"] = 3
    response = admin.apply(NAMESPACE, manifest, dryRun="All")
    assert response.status_code != 201, response.text
    assert "replicaz" in response.text


def test_a_privileged_replica_is_refused(admin: Cluster) -> None:
    """So the namespace of these tests is as strict as it says."""
    values = {**MINIMAL, "securityContext": {"allowPrivilegeEscalation": True}}
    response = admin.apply(NAMESPACE, of_kind(rendered(values), "Deployment"), dryRun="All")
    assert "allowPrivilegeEscalation != false" in response.headers["warning"]


def test_it_is_installed_upgraded_and_rolled_back(admin: Cluster, release: Release) -> None:
    release.install(MINIMAL)
    first = checksum(admin)
    assert admin.get(DEPLOYMENT)["status"]["readyReplicas"] == 3
    assert len({pod["spec"]["nodeName"] for pod in admin.get(PODS)["items"]}) == 3

    release.upgrade({**MINIMAL, "modules": {"rules.py": "def may(token, bucket): return True\n"}})
    assert checksum(admin) != first
    assert admin.get(DEPLOYMENT)["status"]["updatedReplicas"] == 3

    release.helm("rollback", "release", "1", "--wait")
    assert checksum(admin) == first
    history = yaml.safe_load(release.helm("history", "release", "--output", "yaml"))
    assert [each["status"] for each in history] == ["superseded", "superseded", "deployed"]


def checksum(admin: Cluster) -> str:
    template = admin.get(DEPLOYMENT)["spec"]["template"]
    return str(template["metadata"]["annotations"]["checksum/config"])


def test_a_mistaken_upgrade_leaves_the_replicas_that_serve(
    admin: Cluster, release: Release
) -> None:
    """No node has that much room, so the new replica never becomes ready."""
    release.install(MINIMAL)
    serving = {pod["metadata"]["uid"] for pod in admin.get(PODS)["items"]}
    release.helm(
        *("upgrade", "release", CHART),
        values={**MINIMAL, "resources": {"requests": {"cpu": "1000"}}},
    )

    def waiting() -> bool:
        pods = admin.get(PODS)["items"]
        return any(pod["status"]["phase"] == "Pending" and unschedulable(pod) for pod in pods)

    until(waiting, "a replica that finds no node", 60)
    assert serving < {pod["metadata"]["uid"] for pod in admin.get(PODS)["items"]}
    assert admin.get(DEPLOYMENT)["status"]["availableReplicas"] == 3


def unschedulable(pod: Manifest) -> bool:
    return any(c.get("reason") == "Unschedulable" for c in pod["status"].get("conditions", ()))


def test_a_replica_may_do_nothing_in_kubernetes(admin: Cluster, release: Release) -> None:
    release.install(MINIMAL)
    pod = admin.get(PODS)["items"][0]
    sources = [s for v in pod["spec"]["volumes"] for s in v.get("projected", {}).get("sources", ())]
    assert sources
    assert not any("serviceAccountToken" in source for source in sources)
    who = f"system:serviceaccount:{NAMESPACE}:{pod['spec']['serviceAccountName']}"
    for resource in ("secrets", "configmaps", "pods", "deployments", "services"):
        for verb in ("get", "list", "create", "delete"):
            assert not allowed(admin, who, verb, resource), f"{verb} {resource}"


def allowed(admin: Cluster, who: str, verb: str, resource: str) -> bool:
    asked = {"namespace": NAMESPACE, "verb": verb, "resource": resource}
    review = admin.create(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {"spec": {"user": who, "resourceAttributes": asked}},
    )
    return bool(review["status"]["allowed"])


def test_the_installer_needs_no_other_namespace(cluster: dict[str, Cluster]) -> None:
    response = cluster["deployer"].ask("GET", "/api/v1/namespaces/default/secrets")
    assert response.status_code == 403


def test_one_replica_at_a_time_leaves_its_node(admin: Cluster, release: Release) -> None:
    release.install(MINIMAL)
    budget = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{NAME}"
    until(
        lambda: admin.get(budget)["status"].get("disruptionsAllowed") == 1,
        "the budget knows the replicas",
        60,
    )
    names = [pod["metadata"]["name"] for pod in admin.get(PODS)["items"]]
    with cordoned(admin):  # so that nothing takes the place of the first one
        assert [evict(admin, name) for name in names] == [201, 429, 429]


@contextmanager
def cordoned(admin: Cluster) -> Iterator[None]:
    """No node takes new pods."""

    def mark(unschedulable: bool) -> None:
        for number in range(NODES):
            admin.merge(f"/api/v1/nodes/node-{number}", {"spec": {"unschedulable": unschedulable}})

    mark(True)
    try:
        yield
    finally:
        mark(False)


def evict(admin: Cluster, name: str) -> int:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": NAMESPACE},
    }
    return admin.ask("POST", f"{PODS}/{name}/eviction", eviction).status_code


def test_an_upgrade_keeps_as_many_replicas_as_the_autoscaler_chose(
    admin: Cluster, release: Release
) -> None:
    values: dict[str, Any] = {**MINIMAL, "autoscaling": {"enabled": True}}
    release.install(values)
    target = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{NAME}"

    def able() -> bool:
        conditions = admin.get(target).get("status", {}).get("conditions", ())
        return any(c["type"] == "AbleToScale" and c["status"] == "True" for c in conditions)

    until(able, "the autoscaler finds the deployment", 90)
    until(lambda: admin.get(DEPLOYMENT)["spec"]["replicas"] == 2, "the smallest number", 90)
    admin.merge(f"{DEPLOYMENT}/scale", {"spec": {"replicas": 5}})
    release.upgrade({**values, "podLabels": {"example.com/new": "label"}})
    assert admin.get(DEPLOYMENT)["spec"]["replicas"] == 5


def test_nothing_is_left_behind(admin: Cluster, release: Release) -> None:
    before = everything(admin)
    release.install(MINIMAL)
    assert everything(admin) > before
    release.helm("uninstall", "release", "--wait")
    until(lambda: everything(admin) <= before, "everything is gone", 60)


def everything(admin: Cluster) -> set[str]:
    found = set()
    for root in ("/api/v1", "/apis/apps/v1", "/apis/policy/v1", "/apis/networking.k8s.io/v1"):
        for kind in admin.get(root)["resources"]:
            lists = kind["namespaced"] and "list" in kind["verbs"] and "/" not in kind["name"]
            if lists and not re.fullmatch("events|endpoints|controllerrevisions", kind["name"]):
                items = admin.get(f"{root}/namespaces/{NAMESPACE}/{kind['name']}")["items"]
                found |= {f"{kind['name']}/{item['metadata']['name']}" for item in items}
    return found
