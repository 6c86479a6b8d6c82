"""The Helm chart: what it renders is right for Kubernetes, and what it configures for the proxy.

Single values have their tests beside the chart, in deploy/helm/object-storage-proxy/tests;
test_kubernetes.py installs it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
import pytest
import yaml
from helpers.certificates import Certificates
from helpers.chart import CHART, TOOLS, VALUES, helm, of_kind, refused, rendered
from helpers.cli import runner
from helpers.pages import DOCS, blocks
from object_storage_proxy.cli.settings import PARAMETERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.slow

PAGE = DOCS / "deployment.md"
KUBERNETES = ("1.27", "1.31", "1.37")
CUSTOM = {"HTTPRoute", "ServiceMonitor"}  # their schemas come with what defines them

matrix = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    if not (TOOLS / "helm").exists():
        pytest.skip("Helm is not there: ./build.sh chart brings it")


@matrix
def test_the_chart_passes_lint(values: Path) -> None:
    done = helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_value_does_what_its_test_says() -> None:
    done = subprocess.run(
        [TOOLS / "helm-unittest", "--strict", CHART], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", KUBERNETES)
@matrix
def test_kubernetes_knows_every_field(values: Path, version: str, tmp_path: Path) -> None:
    manifests = [m for m in rendered(values) if m["kind"] not in CUSTOM]
    done = validated(manifests, version, tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("INFO ") == len(manifests), done.stdout  # none without a schema


def test_a_field_that_kubernetes_does_not_know_is_found(tmp_path: Path) -> None:
    deployment = of_kind(rendered(VALUES[0]), "Deployment")
    deployment["spec"]["template"]["spec"]["enableServicelinks"] = False
    done = validated([deployment], KUBERNETES[0], tmp_path)
    assert done.returncode == 1
    assert "enableServicelinks" in done.stdout


def validated(
    manifests: list[dict[str, Any]], version: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    program = TOOLS / "bin" / "kubernetes-validate"
    return subprocess.run(
        [program, "--strict", "--kubernetes-version", version, file],
        capture_output=True,
        text=True,
        timeout=120,
    )


@matrix
def test_the_proxy_takes_what_the_chart_writes(
    values: Path, tmp_path: Path, certificates: Certificates
) -> None:
    """In a folder like the container's, with the Secrets that it names."""
    data = of_kind(rendered(values), "ConfigMap")["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text.replace("/run/secrets", str(tmp_path / "secrets")))
    pair = {"tls.crt": certificates.cert.read_text(), "tls.key": certificates.key.read_text()}
    held = {
        "clients": {"alice": "the secret of alice"},
        "stores.example": {"secret_key": "the secret of the store"},
        "map": {"cos_map.toml": '{photos = {host = "h", port = 9000}}'},
        "tls": pair,
        "s3-tls": pair,
    }
    for name, keys in held.items():
        (tmp_path / "secrets" / name).mkdir(parents=True)
        for key, text in keys.items():
            (tmp_path / "secrets" / name / key).write_text(text)
    done = runner(tmp_path)("check-config", STORE_KEY="store")
    assert done.returncode == 0, done.stderr


def test_every_parameter_reaches_the_proxy_as_it_was_given() -> None:
    given: dict[str, Any] = {
        "cos_map": {"a-*": {"host": "h", "port": 1, "ttl": 0.5, "read_only": False, "region": ""}},
        "hmac_keystore": [{"access_key": 'a"\\\n🔑', "secret_key": "${A}"}],
        "http_port": 65535,
        "metrics_port": 1,
        "metrics_host": "::",
        "auth_cache_capacity": 10_000_000,
        "callback_timeout": 0.001,
        "drain_delay": 0,
        "drain_timeout": 1.5,
        "metrics_hosts": [],
        "domains": ["<&>", "b"],
        "verify": False,
        "validator": "a.b:c",
    }
    text = of_kind(rendered({"config": given}), "ConfigMap")["data"]["proxy.toml"]
    assert tomllib.loads(text) == given


def test_the_chart_has_each_parameter() -> None:
    """Each is refused for its value, and not for its name."""
    said = refused({"config": {name: [{"no": "value"}] for name in [*PARAMETERS, "unknown"]}})
    assert "additional properties 'unknown' not allowed" in said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"htp_port": 1}, "/config': additional properties 'htp_port' not allowed"),
        ({"http_port": 65536}, "/config/http_port"),
        ({"metrics_port": None}, "missing property 'metrics_port'"),
        ({"http_port": None}, "/config"),
        ({"drain_timeout": -1}, "/config/drain_timeout"),
        ({"cos_map": {"b": {"hots": "h"}}}, "additional properties 'hots' not allowed"),
        ({"cos_map": None}, "/config/cos_map"),
    ],
)
def test_a_mistake_is_told_before_anything_is_installed(config: dict[str, Any], said: str) -> None:
    right = {"cos_map": {"b": {"host": "h", "port": 1}}}
    rendered({"config": right})
    assert said in refused({"config": {**right, **config}})


@pytest.mark.parametrize(
    "config",
    [
        {"shared_keys": "k1:SECRET"},
        {"shared_keys": ["${A}", "k1:SECRET"]},
        {"shared_password": "SECRET"},
        {"shared_state": "valkey://user:SECRET@host:6379/0"},
        {"hmac_keystore": "SECRET"},
        {"hmac_keystore": [{"access_key": "a", "secret_key": "SECRET"}]},
        {"cos_map": {"b": {"host": "h", "port": "SECRET"}}},
    ],
    ids=str,
)
def test_a_secret_does_not_become_a_configmap_and_is_not_shown(config: dict[str, Any]) -> None:
    right = {"cos_map": {"b": {"host": "h", "port": 1}}}
    assert "SECRET" not in refused({"config": {**right, **config}})


@pytest.mark.parametrize(
    "front",
    [
        {"ingress": {"enabled": True, "hosts": ["s3.example.com"]}},
        {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}},
    ],
    ids=str,
)
def test_a_front_needs_the_port_that_it_speaks_to(front: dict[str, Any]) -> None:
    config = {"cos_map": {"b": {"host": "h", "port": 1}}, "https_port": 8443}
    rendered({"config": config, **front})
    config["http_port"] = None
    rendered({"config": config})
    assert "missing property 'http_port'" in refused({"config": config, **front})


def test_a_changed_configuration_replaces_the_replicas() -> None:
    def checksum(values: dict[str, Any]) -> str:
        pod = of_kind(rendered(values), "Deployment")["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/config"])

    config = {"cos_map": {"b": {"host": "h", "port": 1}}}
    plain = checksum({"config": config})
    assert checksum({"config": config, "replicas": 5}) == plain
    changed = [
        {"config": {**config, "domain": "s3.example.com"}},
        {"config": config, "modules": {"rules.py": "x = 1\n"}},
        {"config": config, "modules": {"rules.py": "x = 2\n"}},
    ]
    assert len({plain, *map(checksum, changed)}) == 4


def test_the_page_about_the_chart_has_each_value() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    named = re.findall(r"`(\w+)`", "".join(rows))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(values)


def test_the_values_on_the_page_are_right() -> None:
    texts = [b.text for b in blocks(PAGE, "yaml") if "kind:" not in b.text]
    minimal: dict[str, Any] = {"config": {"cos_map": {"photos": {"host": "h", "port": 1}}}}
    assert len(texts) == 2
    for text in texts:
        manifests = rendered({**minimal, **yaml.safe_load(text)})
        assert of_kind(manifests, "Deployment")


def test_the_notes_say_what_replicas_do_not_share() -> None:
    def notes(**values: Any) -> str:
        given = {"config": {"cos_map": {"b": {"host": "h", "port": 1}}}, **values}
        with_notes = ("install", "release", CHART, "--dry-run=client", "--values", "-")
        return helm(*with_notes, text=yaml.safe_dump(given)).stdout

    assert "counts the uses of presigned URLs" in notes()
    assert "counts the uses of presigned URLs" in notes(replicas=1, autoscaling={"enabled": True})
    assert "presigned" not in notes(replicas=1)


def test_the_chart_is_packed_with_the_version_of_the_package(tmp_path: Path) -> None:
    """As `./build.sh chart` does; which image runs goes by it."""
    version = ("--version", osp.__version__, "--app-version", osp.__version__)
    done = helm("package", CHART, *version, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    packed = tmp_path / f"object-storage-proxy-{osp.__version__}.tgz"
    with tarfile.open(packed) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not {name for name in names if name.startswith(("ci/", "tests/"))}
    done = helm("template", "release", packed, "--values", VALUES[-1])
    assert f'image: "object-storage-proxy:{osp.__version__}"' in done.stdout
