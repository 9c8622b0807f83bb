"""Every error that Reconciler raises on purpose: what failed, on what, and a hint that says what to do.

Each type has its own exit code, and says whether another try can help. A caller never has to read a message.
A message never contains a key, a client_secret or a customer's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reconciler.exit_codes import ExitCode


class ReconcilerError(Exception):
    """Something failed. ``what`` says what failed and on what; ``hint`` says what to do, and is empty if nothing helps.

    As text it is both in one line, for a log or a JSON field. The command line shows them on two lines.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.TEMPORARY

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".strip()


class UsageError(ReconcilerError):
    """The command line has an argument that is not valid, or arguments that contradict each other."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class ConfigurationFault:
    """One thing that is wrong in the configuration: ``what``, beginning with the key, and ``hint``, what to do."""

    what: str
    hint: str = ""

    @classmethod
    def of_text(cls, text: str) -> ConfigurationFault:
        """A fault that was written as one text. If it ends with ``Run: STATEMENT``, that is its hint."""
        what, run, statement = text.partition(" Run: ")
        return cls(what, f"Run: {statement}" if run else "")

    def __str__(self) -> str:
        return f"{self.what} {self.hint}".strip()


class ConfigurationError(ReconcilerError):
    """The configuration is wrong. ``faults`` has every fault that was found."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, faults: tuple[ConfigurationFault | str, ...]) -> None:
        self.faults = tuple(
            ConfigurationFault.of_text(fault) if isinstance(fault, str) else fault
            for fault in faults
        )
        super().__init__("\n".join(str(fault) for fault in self.faults))


class StripeUnavailableError(ReconcilerError):
    """Stripe could not be reached, or kept failing until the retries or the deadline ran out."""


class MalformedAnswerError(StripeUnavailableError):
    """Stripe's answer is not what its API promises: cut short, not JSON, or without a required field."""


class StripeRefusedError(ReconcilerError):
    """Stripe refused the key (401), or the key lacks a permission (403). ``permission`` names it, if Stripe did."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, what: str, hint: str, permission: str | None = None) -> None:
        super().__init__(what, hint)
        self.permission = permission


class StripeRequestError(ReconcilerError):
    """Stripe says that the request itself was wrong (400): a bug in Reconciler, or an id that is not valid."""


class SearchRefusedError(ReconcilerError):
    """Stripe does not offer its search to this account, as to merchants in India. The key itself is right."""


class WrongKeyError(ReconcilerError):
    """The key works, but belongs to another account or to the other mode than the payments of this table."""

    exit_code = ExitCode.CONFIGURATION


class DatabaseUnavailableError(ReconcilerError):
    """PostgreSQL could not be reached, is read-only, or closed the connection."""


class DatabaseBusyError(ReconcilerError):
    """A lock was not free in time, or a statement took too long, because another session is at work there."""


class DatabaseRefusedError(ReconcilerError):
    """PostgreSQL refused the role, a privilege is missing, or a table or column does not exist."""

    exit_code = ExitCode.CONFIGURATION


class NewerSchemaError(DatabaseRefusedError):
    """A newer version of Reconciler has migrated the schema reconciler, which this version does not know."""


class RowRefusedError(DatabaseRefusedError):
    """PostgreSQL refused a write to a row: a constraint, trigger, rule or policy of the merchant's table forbids it."""

    exit_code = ExitCode.TEMPORARY


class AcceptedWriteRefusedError(RowRefusedError):
    """The table refused the write that a person accepted. Another try does not help: the table's owner has to act."""

    exit_code = ExitCode.NO


class ValueFailedError(RowRefusedError):
    """PostgreSQL could not evaluate an expression for a row: a cast that fails, a subselect that has several rows."""


class BrokenLedgerError(ReconcilerError):
    """The ledger holds an entry that cannot be read, because no program wrote it so."""

    exit_code = ExitCode.NO


class AnchorError(ReconcilerError):
    """The ledger's head could not be anchored outside the database. The ledger itself is whole."""


class LeaseLostError(ReconcilerError):
    """Another process has taken over this account, so this one may write nothing more."""


class LeaseHeldError(ReconcilerError):
    """Another process works on this account."""


class StoppedError(ReconcilerError):
    """The process was asked to end, or to take a new configuration: the sweep ends after the current page."""


class PausedError(ReconcilerError):
    """A person has paused all writes to the account's rows. Nothing was written."""


class UnexpectedError(ReconcilerError):
    """A job of the service ended with an error that nothing expects: a bug in Reconciler. Its log has the traceback."""


class BrakeError(ReconcilerError):
    """A person's sweep would correct far more rows than usual, and the person has not confirmed that this is right."""


class RowMovedError(Exception):
    """A row was not written, because it has changed since it was compared. Never leaves the program.

    ``keys`` are the keys of those rows. The page is recorded again without them.
    """

    def __init__(self, keys: frozenset[str]) -> None:
        super().__init__(f"{len(keys)} rows moved")
        self.keys = keys


class HourlyLimitError(Exception):
    """Another sweep has corrected rows meanwhile, and this page would exceed corrections.per_hour.

    Never leaves the program: the page is recorded again with the corrections that are left.
    """
