"""What a process and its children cost, read from outside."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path

_CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the scheduler's count, in nanoseconds


def family(pid: int) -> list[int]:
    """The process and its children, such as the workers of nginx."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # threads come and go
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


def cpu(pids: list[int]) -> float:
    """Seconds of CPU that all threads of the processes used, user and system.

    It is the process's CPU clock (clock_getcpuclockid(3)): what /proc/<pid>/stat
    counts in ticks of 10 ms, this clock counts in nanoseconds.
    """
    return sum(time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED) for pid in pids)


def memory(pids: list[int], what: str = "VmHWM") -> int:
    """VmRSS or VmHWM (the most it ever was) of the processes, in bytes."""
    total = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text()
        found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
        total += int(found[1]) << 10 if found else 0
    return total
