"""A check that the doctor makes: what was looked at, what came of it, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.errors import ExitCode, ReconcilerError


class CheckLevel(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"
    """It works, and could be better or safer."""
    FAULT = "fault"
    """A sweep would not work."""
    UNREACHABLE = "unreachable"
    """Stripe or the database was not to be had; another try may tell."""
    SKIPPED = "skipped"
    """Something that it needs is not right itself."""


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """One line of the doctor's answer. ``mend`` is empty where nothing is to be done."""

    about: str
    level: CheckLevel
    what: str
    hint: str = ""


def exit_code(checks: Sequence[DoctorCheck]) -> ExitCode:
    """78 for any fault, else 75 where something was not reachable."""
    levels = {check.level for check in checks}
    if CheckLevel.FAULT in levels:
        return ExitCode.CONFIGURATION
    return ExitCode.TEMPORARY if CheckLevel.UNREACHABLE in levels else ExitCode.DONE


def failed(about: str, error: ReconcilerError) -> DoctorCheck:
    """A check that could not be made: a fault, or something that was not to be had just now."""
    unreachable = error.exit_code is ExitCode.TEMPORARY
    return DoctorCheck(
        about,
        CheckLevel.UNREACHABLE if unreachable else CheckLevel.FAULT,
        " ".join(error.what.split()),
        error.hint,
    )
