"""The documents: their code runs, their configurations are right, their links lead somewhere.

The recipes of docs/authorisation.md have tests of their own, in test_recipes.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import object_storage_proxy as osp
import pytest
from helpers.children import Child
from helpers.cli import runner, write_toml
from helpers.clients import Keys, boto
from helpers.pages import DOCS, PAGES, ROOT, Block, Shell, blocks
from helpers.ports import free_port

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

QUICK_START = DOCS / "index.md"
README = ROOT / "README.md"
TOML = [block for page in PAGES for block in blocks(page, "toml")]


def test_the_tests_that_the_security_page_names_are_there() -> None:
    """Go tests by their package, the others under tests/."""
    lines = (DOCS / "security.md").read_text(encoding="utf-8").splitlines()
    named = [line.rstrip(" |").rpartition(" | ")[2] for line in lines if line.startswith("| ")][1:]
    assert len(named) > 60
    for text in named:
        for part in text.split("; "):
            package, colon, names = part.rpartition(": ")
            for name in names.split(", "):
                if name == "the same":
                    continue
                if not colon:
                    assert (ROOT / "tests" / name).is_file(), name
                    continue
                sources = (ROOT / "go" / package).glob("*_test.go")
                found = any(f"func {name}(" in source.read_text() for source in sources)
                assert found, f"{package}: {name}"


def first_cells(page: Path, heading: str) -> str:
    """The first column of the table below a heading."""
    section = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    rows = section.partition("\n## ")[0].splitlines()
    return "\n".join(row.split(" | ")[0] for row in rows if row.startswith("| "))


def folders(of: Path) -> set[str]:
    return {each.name for each in of.iterdir() if each.is_dir() and each.name[0] not in "._"}


def test_the_table_of_rooms_has_each_folder_and_no_other() -> None:
    rooms = re.findall(r"`([\w./]+)`", first_cells(DOCS / "design.md", "The rooms"))
    assert [room for room in rooms if "/" in room and not (ROOT / room).exists()] == []
    named = [room.removeprefix("go/") for room in rooms if room.startswith("go/")]
    assert sorted(named) == sorted(folders(ROOT / "go"))


def test_the_map_of_the_tests_has_each_file_once_and_each_folder() -> None:
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\| `(test_\w+\.py)` \|$", text, re.MULTILINE)
    assert sorted(named) == sorted(each.name for each in (ROOT / "tests").glob("test_*.py"))
    cells = first_cells(ROOT / "tests" / "README.md", "What is no test")
    assert set(re.findall(r"`(\w+)/`", cells)) == folders(ROOT / "tests")


def test_every_page_with_python_has_a_test() -> None:
    with_code = {page.name for page in PAGES if blocks(page, "python")}
    assert with_code == {"authorisation.md", "identity.md", "index.md", "roles.md", "sts.md"}


@pytest.mark.parametrize("block", TOML, ids=str)
def test_each_configuration_is_right(block: Block, tmp_path: Path) -> None:
    """Fragments get what they lack; files and variables that they name are there."""
    text = block.text
    for number, path in enumerate(sorted(set(re.findall(r"\$\{file:([^}]+)\}", text)))):
        (tmp_path / f"secret-{number}").write_text("secret\n")
        text = text.replace(path, f"secret-{number}")
    text = re.sub(r'"/etc/letsencrypt/.*/fullchain.pem"', f'"{os.environ["TLS_CERT_PATH"]}"', text)
    text = re.sub(r'"/etc/letsencrypt/.*/privkey.pem"', f'"{os.environ["TLS_KEY_PATH"]}"', text)
    pod = "/var/run/secrets/kubernetes.io/serviceaccount"
    text = text.replace(f"{pod}/ca.crt", os.environ["TLS_CERT_PATH"])
    text = text.replace(f"{pod}/token", "pods-token")
    (tmp_path / "pods-token").write_text("token")
    (tmp_path / "proxy.toml").write_text(text)
    (tmp_path / "rules.py").write_text("def may(token, bucket):\n    return True\n")
    (tmp_path / "policy.json").write_text(blocks(DOCS / "policies.md", "json")[0].text)
    given = tomllib.loads(text)
    env = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "value")
    env |= {"SHARED_KEY": "A" * 43 + "=", "AWS_ROLE_ARN": "arn:x"}  # which have a form
    if "cos_map" not in given:
        env["OSP_COS_MAP"] = '{photos = {host = "h", port = 9000}}'
    if not {"http_port", "https_port", "unix_socket"} & set(given):
        env["OSP_HTTP_PORT"] = "8080"
    done = runner(tmp_path)("check-config", **env)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_quick_start(any_store: Any, tmp_path: Path) -> None:
    remote = any_store.make_bucket()
    file = write_toml(tmp_path / "entry", {"e": {"photos": any_store.entry(bucket=remote)}})
    port = free_port()
    env = {
        "OSP_COS_MAP": file.read_text().removeprefix("e = ").strip(),
        "OSP_HTTP_PORT": str(port),
    }
    quick = Shell(tmp_path, env, {"127.0.0.1:8080": f"127.0.0.1:{port}"})
    rules, toml = blocks(QUICK_START, "python")[0], blocks(QUICK_START, "toml")[0]
    (tmp_path / "rules.py").write_text(rules.text)
    (tmp_path / "proxy.toml").write_text(toml.text)
    install, prepare, serve, use, link, bob = blocks(QUICK_START, "sh")
    assert install.text == "./build.sh wheel && pip install dist/*.whl\n"
    said = quick.run(prepare.text)
    pairs = tomllib.loads((tmp_path / "proxy.toml").read_text())["hmac_keystore"]
    secret_of = {pair["access_key"]: pair["secret_key"] for pair in pairs}.__getitem__
    assert "no mistakes" in said
    assert "ok      photos" in said
    server = ["bash", "-ec", "".join([*quick.exports, f"exec {serve.text}"])]
    with Child(server, tmp_path / "log", quick.env, tmp_path) as proxy:
        proxy.listening(port)
        listed = quick.run(use.text.replace("...", secret_of("alice")))
        assert listed.endswith(" rules.py\n")
        url = quick.run(link.text).strip()
        assert httpx.get(url, trust_env=False).text == rules.text
        quick.run(bob.text.replace("...", secret_of("bob")))
        assert (tmp_path / "copy.py").read_text() == rules.text
    assert any_store.keys_in(remote) == ["rules.py"]


@pytest.fixture
def script_folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.py").write_text(blocks(QUICK_START, "python")[0].text)
    return tmp_path


KEYS = dict.fromkeys(["STORE_KEY", "STORE_SECRET", "IBM_API_KEY", "BOB_SECRET"], "x")


@pytest.mark.parametrize(
    "block", [blocks(QUICK_START, "python")[1], blocks(README, "python")[0]], ids=str
)
def test_a_script_that_serves(block: Block, script_folder: Path) -> None:
    port = free_port()
    assert "http_port=8080" in block.text
    text = block.text.replace("http_port=8080", f"http_port={port}")
    if 'host="127.0.0.1"' not in text:
        text = text.replace("http_port=", 'host="127.0.0.1", http_port=')
    (script_folder / "script.py").write_text(text)
    env = {**KEYS, "ALICE_SECRET": "secret"}
    with ExitStack() as stack:
        log = script_folder / "log"
        script = [sys.executable, "script.py"]
        child = stack.enter_context(Child(script, log, env, cwd=script_folder))
        child.listening(port)
        s3 = boto(f"http://127.0.0.1:{port}", Keys("alice", "secret"))
        assert "photos" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        assert child.stop() == 0, child.output()


def test_a_proxy_in_an_application(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALICE_SECRET", "secret")
    block = blocks(QUICK_START, "python")[2]
    exec(compile(block.text, str(block), "exec"), {"__name__": "example"})
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "page",
    [README, ROOT / "tests" / "README.md", *PAGES],
    ids=lambda page: f"{page.parent.name}/{page.name}",
)
def test_links_lead_somewhere(page: Path) -> None:
    """On GitHub, too, where the pages are read as they stand."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path = target.partition("#")[0]
        if path and not path.startswith("https://"):
            assert (page.parent / path).exists(), target


class TestDeployment:
    unit = DOCS / "deploy" / "object-storage-proxy.service"

    def test_systemd_takes_the_unit(self, tmp_path: Path) -> None:
        program = shutil.which("systemd-analyze")
        if program is None:
            pytest.skip("there is no systemd-analyze here")
        text = self.unit.read_text().replace("/opt/object-storage-proxy/bin/", "/bin/true ")
        name = f"osp-{uuid.uuid4().hex}.service"
        (tmp_path / name).write_text(text)
        command = [program, "verify", "--man=no", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_stop_may_take_as_long_as_the_drain(self) -> None:
        found = re.search(r"^TimeoutStopSec=(\d+)$", self.unit.read_text(), re.MULTILINE)
        assert found
        plain = osp.ProxyServerConfig({})
        assert int(found[1]) > plain.drain_delay + plain.drain_timeout

    def test_its_commands_are_there(self, tmp_path: Path) -> None:
        text = self.unit.read_text() + (DOCS / "deploy" / "Containerfile").read_text()
        used = re.findall(r"bin/object-storage-proxy (\S+)$|CMD \[\"([^\"]+)\"\]", text, re.M)
        names = {a or b for a, b in used}
        assert names == {"check-config", "serve"}
        for name in names:
            assert runner(tmp_path)(name, "--help").returncode == 0
