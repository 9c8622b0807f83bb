"""How much memory and CPU a process uses, read from ``/proc``."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
USER_TIME, SYSTEM_TIME = 11, 12
"""Fields of ``/proc/PID/stat`` after the command's name."""


def megabytes(field: str, pid: int | str = "self") -> float:
    """A field of a process's status, such as VmRSS (resident now) or VmHWM (the most it ever was), in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1]) / 1024


def processor_seconds(pid: int) -> float | None:
    """Seconds of CPU that a process and all its threads have used, in the kernel as well; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return (int(fields[USER_TIME]) + int(fields[SYSTEM_TIME])) / TICKS
