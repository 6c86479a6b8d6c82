"""What comes out of a build: from the packed sources, and the same each time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLATFORM = "manylinux2014_x86_64"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str | Path) -> str:
    """Runs a build command; its output is the failure's text."""
    names = {name: str(value) for name, value in environment.items()}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **names},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def built(what: str, sources: Path, into: Path, **environment: str | Path) -> Path:
    """The one file that the build backend makes."""
    command = (sys.executable, "-m", "build", what, "--no-isolation", "--outdir", into)
    run(*command, cwd=sources, **environment)
    (made,) = into.iterdir()
    return made


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("--sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)  # made by this test
    return folder / sdist.name.removesuffix(".tar.gz")


def test_pip_builds_the_packed_sources_with_go_and_a_c_compiler(
    sdist: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    run(*pip, "--no-binary", "object-storage-proxy-go", sdist, cwd=tmp_path)
    seen = run(
        python,
        "-c",
        "import object_storage_proxy as osp\n"
        "keys = [{'access_key': 'a', 'secret_key': 's'}]\n"
        "config = osp.ProxyServerConfig({}, keys, http_port=0, host='127.0.0.1')\n"
        "with osp.ProxyServer(config) as server:\n"
        "    print(server.http_url)\n",
        cwd=tmp_path,
    )
    assert seen.startswith("http://127.0.0.1:"), seen


def test_two_builds_give_the_same_bytes(sdist: Path, tmp_path: Path) -> None:
    """In folders of other names, once with empty caches, at another time."""
    assert sha256(built("--sdist", ROOT, tmp_path / "again")) == sha256(sdist)
    one = built(
        "--wheel", unpacked(sdist, tmp_path / "one"), tmp_path / "dist1", OSP_PLATFORM=PLATFORM
    )
    other = built(
        "--wheel",
        unpacked(sdist, tmp_path / "another" / "place"),
        tmp_path / "dist2",
        OSP_PLATFORM=PLATFORM,
        GOCACHE=tmp_path / "go-cache",
        ZIG_GLOBAL_CACHE_DIR=tmp_path / "zig-cache",
        ZIG_LOCAL_CACHE_DIR=tmp_path / "zig-cache",
    )
    assert one.name == other.name
    assert sha256(one) == sha256(other)
