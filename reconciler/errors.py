"""Every way in which this program fails: what broke, on what, and what to do next.

The exit code belongs to the type, and so does whether another try may help, so that no caller has to read a message.
A message never holds a key, a client_secret or a customer's data.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The command line's exit codes; the larger ones are those of sysexits.h."""

    DONE = 0
    NO = 1
    USAGE = 64
    TEMPORARY = 75
    CONFIGURATION = 78


class ReconcilerError(Exception):
    """Something broke. ``mend`` is what the reader can do about it."""

    exit_code: ClassVar[ExitCode] = ExitCode.TEMPORARY

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".strip()


class UsageError(ReconcilerError):
    """The command was called with arguments that do not fit."""

    exit_code = ExitCode.USAGE


class ConfigurationError(ReconcilerError):
    """The configuration does not hold together. ``faults`` has every fault found, each a sentence with its mend."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class StripeUnavailableError(ReconcilerError):
    """Stripe could not be reached or kept failing until the tries or the deadline ran out."""


class MalformedAnswerError(StripeUnavailableError):
    """Stripe's answer was not what its API promises: cut short, not JSON, or a field that we need missing."""


class StripeRefusedError(ReconcilerError):
    """Stripe refused the key (401), or a permission is missing (403). ``permission`` names it where known."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, what: str, hint: str, permission: str | None = None) -> None:
        super().__init__(what, hint)
        self.permission = permission


class StripeRequestError(ReconcilerError):
    """Stripe says that the request itself was wrong (400): a defect of ours, or an id that is none."""


class WrongKeyError(ReconcilerError):
    """The key works and is not the one of this table: another account, or the other mode."""

    exit_code = ExitCode.CONFIGURATION


class DatabaseUnavailableError(ReconcilerError):
    """PostgreSQL could not be reached, is read-only, or cut the connection."""


class DatabaseBusyError(ReconcilerError):
    """A lock was not to be had in time, or a statement took too long: somebody else is at work there."""


class DatabaseRefusedError(ReconcilerError):
    """PostgreSQL refused the role, a privilege is missing, or a table or column is not there."""

    exit_code = ExitCode.CONFIGURATION


class RowRefusedError(DatabaseRefusedError):
    """PostgreSQL refused what was written to a row: a constraint, trigger, rule or policy of the table's owner."""

    exit_code = ExitCode.TEMPORARY


class LeaseLostError(ReconcilerError):
    """Another process has taken over this account: nothing more may be written."""


class LeaseHeldError(ReconcilerError):
    """Another process works on this account."""


class StoppedError(ReconcilerError):
    """Somebody wants the process to end, or its configuration to change: the sweep ends at a page's edge."""


class RowMovedError(Exception):
    """A row was not written because it is no longer as it was compared. Inside the program only.

    ``keys`` are those rows. The page is recorded again without them.
    """

    def __init__(self, keys: frozenset[str]) -> None:
        super().__init__(f"{len(keys)} rows moved")
        self.keys = keys


class HourlyLimitError(Exception):
    """Another sweep of the service has corrected rows meanwhile, and this page goes beyond the limit of an hour.

    Inside the program only: the page is recorded again with what is left.
    """
