"""Measures what a wheel costs: its size, an import, the first start. Writes docs/install.md.

Usage: python tests/measure.py WHEEL...

Times are medians over new processes, each beside one that does nothing: of processor time,
so that it hardly counts what else the machine does, and of the clock. They are facts
about one machine, and no test asserts them.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "install.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
RUNS = 21
IMPORT = "import object_storage_proxy"
START = """
import time
import object_storage_proxy as osp
config = osp.ProxyServerConfig(
    {}, [{"access_key": "a", "secret_key": "s"}], http_port=0, host="127.0.0.1"
)
server = osp.ProxyServer(config)
cpu, clock = time.process_time(), time.perf_counter()
server.start()
print(time.process_time() - cpu, time.perf_counter() - clock)
server.stop()
"""

Times = list[tuple[float, float]]  # seconds of processor time, and by the clock


def python(code: str, folder: Path) -> tuple[tuple[float, float], str]:
    """What a new interpreter takes, and what it prints."""
    before, begin = _cpu_of_children(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        # PYTHONDONTWRITEBYTECODE would have the package compiled each time, as after no install.
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": ""},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    clock = time.perf_counter() - begin
    return (_cpu_of_children() - before, clock), done.stdout


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def milliseconds(times: Times) -> str:
    cpu, clock = (statistics.median(each) * 1000 for each in zip(*times, strict=True))
    return f"{cpu:.0f} ms | {clock:.0f} ms"


def main(wheels: list[Path]) -> None:
    here = next(wheel for wheel in wheels if wheel.stem.endswith(os.uname().machine))
    nothing: Times = []
    imports: Times = []
    starts: Times = []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(here) as archive:
        archive.extractall(folder)
        python(START, Path(folder))  # compiles the bytecode, reads the files
        for _ in range(RUNS):
            nothing.append(python("pass", Path(folder))[0])
            imports.append(python(IMPORT, Path(folder))[0])
            cpu, clock = python(START, Path(folder))[1].split()
            starts.append((float(cpu), float(clock)))
    more = [(i[0] - n[0], i[1] - n[1]) for i, n in zip(imports, nothing, strict=True)]
    rows = [
        f"| `python -c pass` | {milliseconds(nothing)} |",
        f"| an import, beyond that | {milliseconds(more)} |",
        f"| the first start, with loading the library | {milliseconds(starts)} |",
    ]
    for wheel in wheels:
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB")
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    head = rest.split(END)[0].splitlines(True)[:2]
    text = before + BEGIN + "".join(head) + "\n".join(rows) + "\n" + END + rest.split(END)[1]
    PAGE.write_text(text, encoding="utf-8")
    print("\n".join(rows))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
