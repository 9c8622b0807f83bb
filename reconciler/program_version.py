"""The version of the program."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

PROGRAM = "reconciler"


@cache
def program_version() -> str:
    """The name of the program with the version of the installed package."""
    try:
        number = version(PROGRAM)
    except PackageNotFoundError:
        number = "(not installed)"
    return f"{PROGRAM} {number}"
