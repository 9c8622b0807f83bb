"""The exit codes of the command line. Each error names its own in ``errors``."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The command line's exit codes. Those above 1 are the codes of sysexits.h."""

    DONE = 0
    """Done and complete."""
    NO = 1
    """The answer is no: a ledger is broken, or something disagrees."""
    USAGE = 64
    """The command line is wrong."""
    TEMPORARY = 75
    """Something is unavailable, or the sweep is not complete; another try can help."""
    CONFIGURATION = 78
    """The configuration, a key or a privilege is wrong; a person has to act."""
