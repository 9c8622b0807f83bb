"""Which of Reconciler's errors each of psycopg's becomes.

PostgreSQL's detail and context lines are dropped, and the original error is no cause of the new one: they quote rows,
and rows hold customers' data. What remains is the kind of the failure, names of tables and roles, and the hint.
"""

from __future__ import annotations

import re
from typing import Final

import psycopg
from psycopg import errors

from reconciler.errors import (
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    LeaseLostError,
    ReconcilerError,
    RowRefusedError,
    ValueFailedError,
)

_MISSING: Final = (
    "If this name is in the schema reconciler, run reconciler migrate. If it is in your own "
    "schema, correct [payments]. reconciler doctor checks both."
)
_PRIVILEGE: Final = "Grant the missing privilege, or connect as a role that has it. For your table, reconciler doctor prints the GRANT to run; in the schema reconciler, reconciler migrate --daemon-role ROLE grants it."
_AGAIN: Final = "Nothing was written. Try again."
_REACH: Final = "Check that the server runs and that DATABASE_URL (or [database] url) leads to it."

_BUSY: Final[dict[type[psycopg.Error], str]] = {
    errors.LockNotAvailable: "a lock was not free in time (lock_timeout)",
    errors.QueryCanceled: "a statement took too long or was canceled (statement_timeout)",
    errors.DeadlockDetected: "a deadlock with another transaction",
    errors.SerializationFailure: "another transaction changed the same rows",
}
_UNAVAILABLE: Final[dict[type[psycopg.Error], str]] = {
    errors.AdminShutdown: "the server shut down",
    errors.CrashShutdown: "the server crashed",
    errors.CannotConnectNow: "the server is starting or stopping",
    errors.TooManyConnections: "the server has no connection left",
    errors.DiskFull: "the server's disk is full",
    errors.OutOfMemory: "the server is out of memory",
    errors.IdleInTransactionSessionTimeout: "the server ended an idle transaction",
}
_NAMED: Final[dict[type[psycopg.Error], str]] = {
    errors.InsufficientPrivilege: _PRIVILEGE,
    errors.UndefinedTable: _MISSING,
    errors.UndefinedColumn: _MISSING,
    errors.UndefinedFunction: _MISSING,
    errors.UndefinedObject: _MISSING,
    errors.InvalidSchemaName: _MISSING,
}
"""Failures whose first line holds names of objects and nothing else."""

_SERVER_FAILURES: Final = ("08", "53", "57", "58", "XX")
"""Classes of SQLSTATE for a server that fails by itself: connections, resources, operators, disks, bugs."""

OF_VALUE: Final = ("21", "22", "2F", "38", "39", "P0")
"""Classes of SQLSTATE for an expression that cannot be evaluated for some row."""

LEASE_LOST: Final = "RC001"
"""The SQLSTATE of ``reconciler.append_ledger`` if the account has no lease of the given epoch."""

_LOGIN_REFUSED: Final = re.compile(
    r'password authentication failed|no password supplied|role ".*" does not exist|database ".*" does not exist'
    r"|no pg_hba\.conf entry|authentication failed|permission denied for database|is not permitted to log in"
    r'|definition of service ".*" not found|certificate'
)


def mapped(error: psycopg.Error, doing: str) -> ReconcilerError:
    """Reconciler's error for one of psycopg's. ``doing`` completes "while" in its message."""
    for kind, words in _BUSY.items():
        if isinstance(error, kind):
            return DatabaseBusyError(
                f"PostgreSQL was busy while Reconciler was {doing}: {words}.", _AGAIN
            )
    for kind, words in _UNAVAILABLE.items():
        if isinstance(error, kind):
            return DatabaseUnavailableError(
                f"Reconciler lost its connection to PostgreSQL while {doing}: {words}.", _REACH
            )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return DatabaseUnavailableError(
            f"PostgreSQL is read-only: it refused a write while Reconciler was {doing}.",
            "The server is a standby, or default_transaction_read_only is on. Connect to the primary server.",
        )
    for kind, hint in _NAMED.items():
        if isinstance(error, kind):
            said = _first_line(error) or "a name is unknown, or a privilege is missing"
            return DatabaseRefusedError(
                f"PostgreSQL refused a statement while Reconciler was {doing}: {said}.", hint
            )

    # an error without a SQLSTATE comes from libpq: the connection broke before the server could answer
    if error.sqlstate is None and isinstance(
        error, psycopg.OperationalError | psycopg.InterfaceError
    ):
        return DatabaseUnavailableError(
            f"Reconciler lost its connection to PostgreSQL while {doing}.", _REACH
        )
    if error.sqlstate is not None and error.sqlstate.startswith(_SERVER_FAILURES):
        return DatabaseUnavailableError(
            f"Reconciler lost its connection to PostgreSQL while {doing} ({error.sqlstate}).",
            _REACH,
        )
    return lease_lost() if error.sqlstate == LEASE_LOST else _refused_row(error, doing)


def lease_lost(account: str | None = None) -> LeaseLostError:
    """The error for a lease that has ended, or that another process has taken over."""
    on = "" if account is None else f" on account {account}"
    return LeaseLostError(
        f"The lease{on} has ended, or another process has taken it over. Nothing was written.",
        "Run the sweep again when the other process has finished.",
    )


def connection_error(error: psycopg.Error, address: str) -> ReconcilerError:
    """Reconciler's error for a connection that could not be made. ``address`` holds no password.

    libpq gives no code for these failures, only a text; it names hosts, users and databases, never a password.
    """
    text = " ".join(str(error).split())
    reason = text.rpartition("failed: ")[2].removeprefix("FATAL:")
    # libpq's question follows without a full stop, and the hint says the same
    reason = reason.partition("Is the server running")[0].strip()
    what = f"Could not connect to {address}: {reason.rstrip('.')}."
    if _LOGIN_REFUSED.search(text):
        return DatabaseRefusedError(
            what,
            "Correct DATABASE_URL (or [database] url), or create the role or the database that it names.",
        )
    return DatabaseUnavailableError(what, _REACH)


def _refused_row(error: psycopg.Error, doing: str) -> ReconcilerError:
    """The error for a refused value or write: a constraint, a trigger, a type. It repeats names and no value."""
    diag = error.diag
    names = [name for name in (diag.schema_name, diag.table_name, diag.column_name) if name]
    on = f" for {'.'.join(names)}" if names else ""
    constraint = f" (constraint {diag.constraint_name})" if diag.constraint_name else ""
    code = f"{type(error).__name__} {error.sqlstate or ''}".strip()
    if (error.sqlstate or "").startswith(OF_VALUE):
        return ValueFailedError(
            f"PostgreSQL could not store or compute a value{on}{constraint} while Reconciler was {doing} ({code}).",
            "Nothing was written. The server's log has the details. If an SQL text of [payments] "
            "fails, reconciler doctor names the rows.",
        )
    return RowRefusedError(
        f"PostgreSQL refused a value or a write{on}{constraint} while Reconciler was {doing} ({code}).",
        "Nothing was written. A trigger or constraint of the table may forbid the write: see the server's log.",
    )


def _first_line(error: psycopg.Error) -> str:
    """PostgreSQL's own first line, unless a function in the database wrote it: that may quote any value."""
    if error.diag.source_function == "exec_stmt_raise":
        return f"a trigger or a function of the database forbids this ({error.sqlstate})"
    return (error.diag.message_primary or "").rstrip(".")
