"""Names that one program resolves and the rest of the machine does not.

The program runs in a mount namespace of its own (Linux, mount_namespaces(7)),
where another file lies over /etc/hosts. So every kind of client finds the name
of a bucket in front of the proxy's, whether it asks the C library or reads that
file itself, and nothing of the machine changes.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

DOMAIN = "s3.test"  # .test never is anybody's: RFC 6761, section 6.2

_MOUNT = 'mount --bind "$0" /etc/hosts && exec "$@"'


def _unshare(command: Sequence[str | Path]) -> list[str | Path]:
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *rights, *command]


@functools.cache
def unavailable() -> str:
    """Why programs can't have names of their own here; empty: they can."""
    try:
        tried = subprocess.run(
            _unshare(["sh", "-c", _MOUNT, "/etc/hosts", "true"]),
            capture_output=True,
            text=True,
            timeout=20,
        )
    except FileNotFoundError:
        return "there is no unshare (util-linux)"
    return tried.stderr.strip() if tried.returncode else ""


def resolving(names: Sequence[str], folder: Path, command: Sequence[str | Path]) -> list[str]:
    """The command, made to find these names at 127.0.0.1.

    folder takes the file that the program sees as /etc/hosts.
    """
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(names)}\n", encoding="utf-8")
    return [str(part) for part in _unshare(["sh", "-c", _MOUNT, hosts, *command])]
