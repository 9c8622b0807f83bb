"""Measured figures, their targets, and the machine on which they were measured."""

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
    """One measured figure. ``met`` is None if the figure has no target."""

    benchmark: str
    figure: str
    target: str
    reached: str
    met: bool | None
    remarks: str = ""


def print_line(line: str = "") -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def load() -> str:
    """How busy the machine is: the load average of the last minute."""
    return f"load {os.getloadavg()[0]:.1f}"


def spread(values: Sequence[float], format_spec: str = ".0f") -> str:
    """The median; if there are several values, the least and the greatest as well."""
    middle = format(statistics.median(values), format_spec)
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):{format_spec}} to {max(values):{format_spec}})"


def machine(postgres: str) -> list[str]:
    """Lines about the machine and the versions of Python and PostgreSQL."""
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
    """The figures as JSON."""
    return json.dumps([asdict(figure) for figure in figures], indent=2)
