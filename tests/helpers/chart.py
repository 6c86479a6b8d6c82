"""The Helm chart, rendered as its users render it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from helpers.children import clean_environment

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "object-storage-proxy"
TOOLS = ROOT / ".build" / "chart"  # what `chart_tools` of tests/tools/bring.sh installs
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))

Manifest = dict[str, Any]
Done = subprocess.CompletedProcess[str]


def helm(*args: str | Path, text: str = "") -> Done:
    """Runs Helm, with settings of its own, and no cluster but one that is named."""
    folders = ("HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME")
    env = {**dict.fromkeys(folders, str(TOOLS / "home")), "KUBECONFIG": os.devnull}
    return subprocess.run(
        [TOOLS / "helm", *args],
        env=clean_environment(**env),
        input=text,
        capture_output=True,
        text=True,
        timeout=180,
    )


def rendered(values: Path | Manifest, *args: str) -> list[Manifest]:
    """The manifests of the chart with these values."""
    done = _template(values, *args)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def refused(values: Path | Manifest) -> str:
    """What Helm says of values that it doesn't take."""
    done = _template(values)
    assert done.returncode != 0, done.stdout
    return done.stderr


def _template(values: Path | Manifest, *args: str) -> Done:
    if isinstance(values, Path):
        return helm("template", "release", CHART, "--values", values, *args)
    return helm("template", "release", CHART, "--values", "-", *args, text=yaml.safe_dump(values))


def of_kind(manifests: list[Manifest], kind: str) -> Manifest:
    """The only manifest of a kind."""
    (found,) = (each for each in manifests if each["kind"] == kind)
    return found
