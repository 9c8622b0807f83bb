"""Figures, the targets that they are held against, and the machine that they were measured on."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

COLUMNS = ("benchmark", "figure", "target", "reached", "met", "remarks")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. ``met`` is None where there is no target to meet."""

    benchmark: str
    figure: str
    target: str
    reached: str
    met: bool | None
    remarks: str = ""


def say(line: str = "") -> None:
    """A line for whoever watches, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def load() -> str:
    """How busy the machine is: the load average of the last minute."""
    return f"load {os.getloadavg()[0]:.1f}"


def spread(values: Sequence[float], form: str = ".0f") -> str:
    """Median, and least and greatest where there are several."""
    middle = format(statistics.median(values), form)
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):{form}} to {max(values):{form}})"


def machine(postgres: str) -> list[str]:
    """What was measured on."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    return [
        f"machine: {os.cpu_count()} cores, {model}, {platform.system()} {platform.release()}, {load()}",
        f"Python {platform.python_version()}, PostgreSQL {postgres}",
    ]


def table(figures: Sequence[Figure]) -> str:
    """A markdown table, its columns aligned."""
    words = {True: "yes", False: "no", None: ""}
    rows = [
        (one.benchmark, one.figure, one.target, one.reached, words[one.met], one.remarks)
        for one in figures
    ]
    widths = [max(len(row[at]) for row in [COLUMNS, *rows]) for at in range(len(COLUMNS))]
    lines = [COLUMNS, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def as_json(figures: Sequence[Figure]) -> str:
    """The same for a program."""
    return json.dumps([asdict(figure) for figure in figures], indent=2)
