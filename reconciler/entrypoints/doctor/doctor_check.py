"""One check of the doctor: what was checked, the result, and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.errors import ReconcilerError
from reconciler.exit_codes import ExitCode


class CheckLevel(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """It works, but could be better or safer."""
    FAULT = "fault"
    """A sweep would fail."""
    UNREACHABLE = "unreachable"
    """Stripe or the database is unavailable, so this could not be checked; another try may succeed."""
    SKIPPED = "skipped"
    """Not checked, because something that it depends on is missing or wrong."""


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """One line of the doctor's output. ``hint`` is empty if nothing has to be done."""

    about: str
    level: CheckLevel
    what: str
    hint: str = ""


def exit_code(checks: Sequence[DoctorCheck]) -> ExitCode:
    """78 if there is a fault, else 75 if something was unavailable, else 0."""
    levels = {check.level for check in checks}
    if CheckLevel.FAULT in levels:
        return ExitCode.CONFIGURATION
    return ExitCode.TEMPORARY if CheckLevel.UNREACHABLE in levels else ExitCode.DONE


def failed(about: str, error: ReconcilerError) -> DoctorCheck:
    """The check that an error prevented: a fault, or unreachable if another try may succeed."""
    unreachable = error.exit_code is ExitCode.TEMPORARY
    return DoctorCheck(
        about,
        CheckLevel.UNREACHABLE if unreachable else CheckLevel.FAULT,
        " ".join(error.what.split()),
        error.hint,
    )
