"""What each role may do in the schema reconciler: the one list that migrate grants, and doctor and the tests compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from psycopg import errors, sql

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES
from reconciler.errors import DatabaseRefusedError

_SQL: Final = STATEMENTS["schema"]
_TEMPLATES: Final = TEMPLATES["schema"]
SCHEMA: Final = "reconciler"

APPEND: Final = "append_ledger(text, bigint, text[], text[])"
ADD_NOTE: Final = "add_note(text, bigint, text, text, text, text, text)"
REDACT_NOTE: Final = "redact_note(text, bigint, text, text)"
RECORD_VIEW: Final = "record_view(text, text[], text)"
DELETE_DELIVERED: Final = "delete_delivered(text, integer, integer)"
DELETE_ANSWERED: Final = "delete_answered(text, integer, integer)"
PAUSE: Final = "pause(text, double precision, text, text)"
RESUME: Final = "resume(text, text)"
MIGRATIONS: Final = "_yoyo_migration"


class RoleKind(StrEnum):
    """The roles that ``migrate`` grants rights to."""

    DAEMON = "daemon"
    AUDITOR = "auditor"
    WORKER = "worker"
    WEB = "web"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A right on one object. ``kind`` is TABLE, FUNCTION, SEQUENCE or SCHEMA; ``columns`` is for a right on some columns."""

    kind: str
    name: str
    privilege: str
    columns: tuple[str, ...] = ()

    def statement(self, verb: str, role: str) -> str:
        """The GRANT or REVOKE of it. ``verb`` is one of these words."""
        columns = f" ({', '.join(_quoted(name) for name in self.columns)})" if self.columns else ""
        link = "TO" if verb == "GRANT" else "FROM"
        return f"{verb} {self.privilege}{columns} ON {self.kind} {self._object()} {link} {_quoted(role)};"

    def _object(self) -> str:
        if self.kind == "SCHEMA":
            return _quoted(self.name)
        if self.kind == "FUNCTION":
            # its argument types follow the name
            name, _, arguments = self.name.partition("(")
            return f"{SCHEMA}.{_quoted(name)}({arguments}"
        return f"{SCHEMA}.{_quoted(self.name)}"


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


_SELECT: Final = (
    "acceptance_requests", "configurations", "cursors", "discrepancies", "events", "leases", "ledger", "ledger_heads", "payment_views", "notes", "outbox", "pauses", "reads", "rechecks",
    "replicas", "services", "stored_ids", "sweep_request_lines", "sweep_requests", "sweeps", "table_bindings",
    MIGRATIONS,
)  # fmt: skip
_KEPT: Final = (
    "configurations", "cursors", "discrepancies", "leases", "outbox", "services", "stored_ids", "sweep_requests",
)  # fmt: skip
"""Tables whose rows the service adds and changes, and never deletes."""
_DELETED: Final = ("events", "reads", "rechecks", "replicas", "sweep_request_lines", "sweeps")
"""Tables from which the service also deletes."""
_DECIDED: Final = (
    "changed_at", "closing", "note", "opened_at", "owner", "reason", "resolved_by", "reverted", "seen_at", "state",
)  # fmt: skip
"""The columns of a discrepancy that a person's decision changes, in the order of the alphabet."""
_ANSWERED: Final = ("answer", "attempts", "changed_at", "next_attempt_at", "status")
"""The columns of a reviewer's request that the service writes."""
_ASKED: Final = (
    "account", "amount_differs", "asked_by", "discrepancy", "fingerprint", "note", "row_key",
)  # fmt: skip
"""The columns of a reviewer's request that the pages write."""


def _tables(names: Iterable[str], *privileges: str) -> set[Right]:
    return {Right("TABLE", name, privilege) for name in names for privilege in privileges}


_READING: Final = _tables(_SELECT, "SELECT") | {Right("SCHEMA", SCHEMA, "USAGE")}
RIGHTS: Final = {
    RoleKind.DAEMON: frozenset(
        _READING
        | _tables(_KEPT, "INSERT", "UPDATE")
        | _tables(("table_bindings",), "INSERT")
        | _tables(_DELETED, "INSERT", "UPDATE", "DELETE")
        | _tables(("payment_views",), "DELETE")
        | {Right("TABLE", "acceptance_requests", "UPDATE", _ANSWERED)}
        | {
            Right("FUNCTION", name, "EXECUTE")
            for name in (
                APPEND,
                ADD_NOTE,
                REDACT_NOTE,
                RECORD_VIEW,
                DELETE_DELIVERED,
                DELETE_ANSWERED,
                PAUSE,
                RESUME,
            )
        }
    ),
    # the database sets author and time of a note, so that an auditor cannot sign for another person
    RoleKind.AUDITOR: frozenset(
        _READING
        | {
            Right(
                "TABLE",
                "notes",
                "INSERT",
                ("account", "attachment_name", "attachment_sha256", "discrepancy", "note"),
            ),
            Right("FUNCTION", RECORD_VIEW, "EXECUTE"),
        }
    ),
    # the finance pages: what a reviewer decides changes no row of the merchant
    RoleKind.WEB: frozenset(
        _READING
        | {
            Right("TABLE", "acceptance_requests", "INSERT", _ASKED),
            Right("TABLE", "discrepancies", "UPDATE", _DECIDED),
            Right("TABLE", "rechecks", "INSERT"),
            Right("TABLE", "rechecks", "UPDATE", ("due_at", "reason")),
        }
        | {Right("FUNCTION", name, "EXECUTE") for name in (APPEND, ADD_NOTE, RECORD_VIEW)}
    ),
    # a worker of the merchant marks rows as delivered
    RoleKind.WORKER: frozenset(
        {
            Right("SCHEMA", SCHEMA, "USAGE"),
            Right("TABLE", "outbox", "SELECT"),
            Right("TABLE", "outbox", "UPDATE", ("delivered_at",)),
        }
    ),
}
"""All that a role may do in the schema reconciler."""


def quoted_name(*parts: str) -> str:
    """A name as a statement has it: of a column, or a table after its schema."""
    return sql.Identifier(*parts).as_string()


def merchant_grants(
    role: str, schema: str, table: str, written: Iterable[str]
) -> tuple[str, tuple[str, ...]]:
    """What a role needs on the merchant's table: the statement for its corrections, and those without which it reads nothing.

    ``written`` are the columns that a correction writes.
    """
    name = sql.Identifier(schema, table).as_string()
    columns = ", ".join(_quoted(column) for column in written)
    to = _quoted(role)
    reading = (
        f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {to};",
        f"GRANT SELECT ON {name} TO {to};",
    )
    return f"GRANT UPDATE ({columns}) ON {name} TO {to};", reading


def grant(connection: Connection, role: str, kind: RoleKind) -> None:
    """Grant a role its rights, and revoke those that earlier versions granted. Raises DatabaseRefusedError.

    The role keeps what it owns, so a role that owns the schema may do everything.
    """
    try:
        for right in sorted(RIGHTS[kind]):
            connection.execute(_composed("grant_right", right, role))
        found = _rights(connection, role)
        # only direct grants of a role that is no owner can be revoked
        for right in sorted(found - RIGHTS[kind]):
            if not is_owner(connection, role):
                connection.execute(_composed("revoke_right", right, role))
    except errors.UndefinedObject:
        raise _unknown_role(role, "it cannot get privileges") from None


def raise_if_unknown(connection: Connection, role: str) -> None:
    """Raise DatabaseRefusedError if there is no such role. To be asked before anything is changed."""
    row = connection.execute(_SQL["role_exists"], {"role": role}).fetchone()
    if row is None or not row[0]:
        raise _unknown_role(role, "nothing was migrated or granted")


def _unknown_role(role: str, so: str) -> DatabaseRefusedError:
    hint = f"Create it first: CREATE ROLE {_quoted(role)} LOGIN."
    return DatabaseRefusedError(f"The role {role} does not exist, so {so}.", hint)


def _composed(name: str, right: Right, role: str) -> sql.Composed:
    verb = "GRANT" if name == "grant_right" else "REVOKE"
    return _TEMPLATES[name].format(right=sql.SQL(right.statement(verb, role)))


@dataclass(frozen=True, slots=True)
class RightsComparison:
    """How the rights of a role differ from those of the service: what is missing, and what is too much."""

    role: str
    missing: tuple[Right, ...]
    excess: tuple[Right, ...]


def compare_daemons_rights(database: Database) -> RightsComparison | None:
    """Compare the rights of the role that is connected with those of the service.

    None if there is no schema or a migration is pending, for a role without any right, and for a superuser and the
    schema's owner, who may do everything.
    """
    with database.connection("asking what this role may do") as connection:
        row = connection.execute(_SQL["current_role"]).fetchone()
        role, exists, is_free, is_current = row or ("", False, False, False)
        if not exists or is_free or not is_current:
            return None
        found = _rights(connection, role)
    # a role for dry runs has no right at all, and an older schema has other objects
    if Right("SCHEMA", SCHEMA, "USAGE") not in found:
        return None
    wanted = RIGHTS[RoleKind.DAEMON]
    return RightsComparison(role, tuple(sorted(wanted - found)), tuple(sorted(found - wanted)))


def rights_of(connection: Connection, role: str) -> frozenset[Right]:
    """Every right of a role in the schema, also those that it has through PUBLIC or another role."""
    return frozenset(_rights(connection, role))


def is_owner(connection: Connection, role: str) -> bool:
    """Whether a role owns the schema or is a superuser."""
    row = connection.execute(_SQL["role_is_owner"], {"role": role}).fetchone()
    return row is not None and bool(row[0])


def _rights(connection: Connection, role: str) -> set[Right]:
    rows = connection.execute(_SQL["rights_of_role"], {"role": role}).fetchall()
    return {
        Right(kind, name, privilege, tuple(columns or ()))
        for kind, name, privilege, columns in rows
    }
