"""HTTP/2 as h2spec understands its standards: what it asks of a server, whole and strictly."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import Serve
from helpers.double import S3Double

H2SPEC = Path(__file__).parents[1] / ".build" / "tools" / "h2spec"


@pytest.mark.parametrize("strict", [False, True], ids=["all", "strict"])
def test_the_server_keeps_the_rules(serve: Serve, double: S3Double, strict: bool) -> None:
    url = urlsplit(serve({"data": double.entry()}).url("https"))
    command = [H2SPEC, "--host", url.hostname, "--port", str(url.port), "--tls", "--insecure"]
    command += ["--path", "/data/k", "--timeout", "5", *(["--strict"] if strict else [])]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ", 0 failed" in ran.stdout, ran.stdout
