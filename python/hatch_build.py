"""Hatchling's build hook: puts the shared library into the wheel.

It names the wheel py3-none-<platform> (the binding is cffi's ABI mode, so one wheel
serves every Python), and adds the licences and the SBOM of the modules in the library.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
import library
import notices


class LibraryBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """The hook for the wheel target."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = library.chosen_platform()
        output = library.PACKAGE / target.library
        library.build(output, target)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{target.tag}"
        build_data["artifacts"].append(f"python/object_storage_proxy/{output.name}")

        linked = notices.linked(output)
        core = self.metadata.core
        self._write(notices.LICENCES, notices.licences(linked))
        core.license_files.append(notices.LICENCES)  # not there yet when hatchling listed them
        self._write(notices.SBOM, notices.sbom(core.name, self.metadata.version, linked))
        build_data["sbom_files"].append(notices.SBOM)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leaves the tree as it was, except for an editable install, which needs the library."""
        made = [Path(self.root, notices.LICENCES), Path(self.root, notices.SBOM)]
        if version == "standard":
            made.append(library.PACKAGE / library.chosen_platform().library)
        for path in made:
            path.unlink()

    def _write(self, name: str, text: str) -> None:
        Path(self.root, name).write_text(text, encoding="utf-8", newline="\n")
