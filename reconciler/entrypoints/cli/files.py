"""``files``: lists the files that come with the program, and prints one of them."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from reconciler.entrypoints.cli.output import write_line, write_pairs
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode
from reconciler.shipped_files import shipped_names, shipped_text

ABOUT: Final = {
    "config/grafana/": "a dashboard for Grafana",
    "config/presets/": "the mapping of one application's table",
    "config/prometheus/": "the alert rules for Prometheus",
    "config/reconciler.toml": "an example configuration",
    "systemd/": "for systemd, installed with: reconciler systemd install",
}
"""What a file is for, by its name or by the beginning of its name."""


def files(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Print this file. The last part of its name is enough."
        ),
    ] = None,
) -> int:
    """List the files that come with the program, or print one of them.

    They are the example configuration, presets, alert rules, the dashboard and the systemd units.
    """
    if name is None:
        write_pairs([(each, about(each)) for each in shipped_names()], indent=0)
        write_line()
        write_line("Print one of them: reconciler files NAME")
    else:
        sys.stdout.write(shipped_text(shipped_name(name)))
    return ExitCode.DONE


def about(name: str) -> str:
    """What the file of this name is for. Raises LookupError for a file that ``ABOUT`` does not describe."""
    for beginning, text in ABOUT.items():
        if name.startswith(beginning):
            return text
    raise LookupError(name)


def shipped_name(asked: str, folder: str = "") -> str:
    """The whole name of the file that a person asked for, below ``folder``.

    Raises UsageError if no file has this name, or several have it.
    """
    candidates = [name for name in shipped_names() if name.startswith(folder)]
    matching = [name for name in candidates if name == asked or name.endswith(f"/{asked}")]
    match matching:
        case [only]:
            return only
        case []:
            raise UsageError(
                f"Reconciler comes with no file named {asked!r}.",
                f"The files are: {', '.join(candidates)}.",
            )
        case _:
            raise UsageError(
                f"{asked!r} names several files.", f"Use one of {', '.join(matching)}."
            )
