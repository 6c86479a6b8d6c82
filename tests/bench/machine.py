"""What the figures were taken on and with."""

from __future__ import annotations

import datetime
import os
import platform
import re
import ssl
import subprocess
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def facts() -> dict[str, str]:
    """Names and versions, for the head of the report."""
    pins = Path(__file__).with_name("requirements.txt").read_text()
    original = re.search(r"^object-storage-proxy==(\S+)", pins, re.MULTILINE)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "CPU": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        "Go": _version("go", "env", "GOVERSION", pattern=r"go(\S+)"),
        "this project": f"{metadata.version('object-storage-proxy-go')} ({_commit()})",
        "original": original[1] if original else "?",
        "nginx": _version("nginx", "-v", pattern=r"nginx/(\S+)"),
        "wrk": _version("wrk", "-v", pattern=r"wrk \S*?([\d.]+)"),
        "h2load": _version("h2load", "--version", pattern=r"nghttp2/(\S+)"),
        "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
    }


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _commit() -> str:
    return _version("git", "describe", "--always", "--dirty", "--exclude=*", pattern=r"(\S+)")


def _version(*args: str, pattern: str) -> str:
    """What the program says of itself; some say it on standard error and fail."""
    try:
        done = subprocess.run(
            args,
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=20,
        )
    except OSError:
        return "?"
    found = re.search(pattern, done.stdout)
    return found[1] if found else "?"
