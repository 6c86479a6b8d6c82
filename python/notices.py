"""What a wheel contains about the Go modules in its library: their licences, and an SBOM.

Both are made from what the linker wrote into the library (`go version -m`), so they
name what is linked, not everything in go.mod. The texts come from Go's module
cache, whose contents go.sum verifies.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LICENCES = "THIRD-PARTY-LICENSES.txt"
SBOM = "object-storage-proxy-go.cdx.json"

# Phrases that only one licence has. A text with none of them stops the build, so that
# somebody reads it before it is shipped.
_SPDX = {
    "Apache-2.0": r"Apache License\s+Version 2\.0",
    "MPL-2.0": r"Mozilla Public License,? [Vv]ersion 2\.0",
    "BSD-3-Clause": r"Neither the name of .{1,80} nor the names of",
    "BSD-2-Clause": r"Redistributions in binary form must reproduce(?!.*Neither the name of)",
    "ISC": r"Permission to use, copy, modify, and(/or)? distribute this software",
    "MIT": r"Permission is hereby granted, free of charge",
}


@dataclass(frozen=True, order=True)
class Module:
    """A Go module whose code is in the library."""

    path: str
    version: str
    sum: str  # as in go.sum; empty for the standard library
    folder: Path

    @property
    def purl(self) -> str:
        """The package URL, https://github.com/package-url/purl-spec."""
        return f"pkg:golang/{self.path}@{self.version}"

    @property
    def texts(self) -> list[str]:
        """The licence, and the notices that some licences require to be passed on."""
        found = [f for f in sorted(self.folder.iterdir()) if _is_legal(f.name)]
        if not any(not f.name.upper().startswith("NOTICE") for f in found):
            raise SystemExit(f"{self.path} has no licence file")
        return [f.read_text(encoding="utf-8").strip() for f in found]

    @property
    def licence(self) -> str:
        """Its SPDX identifier."""
        text = " ".join("\n".join(self.texts).split())
        for identifier, phrase in _SPDX.items():
            if re.search(phrase, text):
                return identifier
        raise SystemExit(f"{self.path} has a licence that python/notices.py does not know")


def _is_legal(name: str) -> bool:
    return re.fullmatch(r"(LICEN[CS]E|COPYING|NOTICE)([.-].*)?", name, re.IGNORECASE) is not None


def _go(*arguments: str) -> str:
    done = subprocess.run(["go", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def linked(library: Path) -> list[Module]:
    """The modules in a library, sorted; Go's standard library among them."""
    modules = []
    lines = _go("version", "-m", str(library)).splitlines()
    for line in lines[1:]:
        kind, *fields = line.split("\t")[1:]
        if kind == "=>":
            raise SystemExit(
                "a replaced module is in the library: notices.py can't tell whose it is"
            )
        if kind == "dep":
            path, version, checksum = fields
            folder = json.loads(_go("mod", "download", "-json", f"{path}@{version}"))["Dir"]
            modules.append(Module(path, version, checksum, Path(folder)))
    goversion = lines[0].rpartition("go")[2]
    modules.append(Module("std", goversion, "", Path(_go("env", "GOROOT").strip())))
    return sorted(modules)


def licences(modules: list[Module]) -> str:
    """All licence texts, each once, below the modules that have it."""
    owners: dict[str, list[str]] = {}
    for module in modules:
        for text in module.texts:
            owners.setdefault(text, []).append(f"{module.path} {module.version}")
    sections = [
        "The shared library in this package contains code of the following Go modules\n"
        '("std" is Go\'s standard library).'
    ]
    sections += ["\n".join(names) + "\n\n" + text for text, names in owners.items()]
    return ("\n\n" + "=" * 80 + "\n\n").join(sections) + "\n"


def sbom(name: str, version: str, modules: list[Module]) -> str:
    """A software bill of materials, CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/).

    It has no time and no serial number: it is the same for the same contents.
    """
    package = f"pkg:pypi/{name}@{version}"
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": package,
                "name": name,
                "version": version,
                "purl": package,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [_component(module) for module in modules],
        "dependencies": [{"ref": package, "dependsOn": [module.purl for module in modules]}],
    }
    return json.dumps(document, indent=1) + "\n"


def _component(module: Module) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": module.purl,
        "name": module.path,
        "version": module.version,
        "purl": module.purl,
        "licenses": [{"license": {"id": module.licence}}],
    }
    if module.sum:
        component["properties"] = [{"name": "go.sum", "value": module.sum}]
    return component
