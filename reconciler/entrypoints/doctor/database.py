"""Checks of the database: the server, our schema, the merchant's table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.schema.pending_migrations import pending
from reconciler.adapters.postgres.schema.schema_access import schema_access
from reconciler.engine.report import Mode
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck, failed
from reconciler.errors import ReconcilerError
from reconciler.settings import Settings
from reconciler.wiring import table_mapping

OLDEST_SERVER: Final = 140000
"""PostgreSQL 14, as its server_version_num."""
SCHEMA: Final = "schema reconciler"


def database_checks(settings: Settings) -> Iterator[DoctorCheck]:
    """Every check of the database that can be made with what is configured."""
    if settings.database.url is None:
        yield DoctorCheck("database", CheckLevel.SKIPPED, "no database is configured")
        return
    try:
        with Database(settings.database_url.get_secret_value()) as database:
            yield from _server_checks(database)
            yield from _guarded(SCHEMA, _schema_checks(settings, database))
            yield from _guarded("table", _table_checks(settings, database))
    except ReconcilerError as error:
        yield failed("database", error)


def _guarded(about: str, checks: Iterator[DoctorCheck]) -> Iterator[DoctorCheck]:
    """Checks of which one that cannot be made does not hide those of another subject."""
    try:
        yield from checks
    except ReconcilerError as error:
        yield failed(about, error)


def _server_checks(database: Database) -> Iterator[DoctorCheck]:
    with database.connection("asking the server for its version") as connection:
        server = connection.info
        version, words = server.server_version, server.parameter_status("server_version")
        is_standby = server.parameter_status("in_hot_standby") == "on"
    if version < OLDEST_SERVER:
        yield DoctorCheck(
            "database",
            CheckLevel.FAULT,
            f"the server is PostgreSQL {words}",
            "Version 14 or later is needed.",
        )
    else:
        yield DoctorCheck("database", CheckLevel.OK, f"reached, PostgreSQL {words}")
    if is_standby:
        yield DoctorCheck(
            "database",
            CheckLevel.FAULT,
            "the server is a standby: nothing can be recorded there, and its rows lag behind",
            "Connect to the primary.",
        )


def _schema_checks(settings: Settings, database: Database) -> Iterator[DoctorCheck]:
    missing = pending(settings.database_url.get_secret_value())
    if missing:
        yield DoctorCheck(
            SCHEMA,
            CheckLevel.FAULT,
            f"pending migrations: {', '.join(missing)}",
            "Run: reconciler migrate --daemon-role ROLE. A dry run works without.",
        )
        return
    if schema_access(database).raise_if_lease_lost:
        yield DoctorCheck(SCHEMA, CheckLevel.OK, "up to date, and this role may write to it")
    else:
        yield DoctorCheck(
            SCHEMA,
            CheckLevel.FAULT,
            "up to date, but this role may not write what a sweep writes",
            "Run as its owner: reconciler migrate --daemon-role ROLE. A dry run works without.",
        )


def _table_checks(settings: Settings, database: Database) -> Iterator[DoctorCheck]:
    if settings.payments is None:
        yield DoctorCheck("table", CheckLevel.SKIPPED, "no table is configured")
        return
    payments = settings.payments
    about = f"table {payments.table}"

    def look(*, writes: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found = inspect(
            database,
            table_mapping(payments),
            writes=writes,
            links=payments.link_metadata is not None,
            accounts=[account.name for account in settings.accounts],
        )
        return found.faults, found.warnings

    must_write = settings.corrections.mode is Mode.UPDATE
    faults, warnings = look(writes=must_write)
    for fault in faults:
        yield _with_hint(about, CheckLevel.FAULT, fault)
    for warning in warnings:
        yield _with_hint(about, CheckLevel.WARNING, warning)
    if not must_write and payments.write:
        # a service that only reports can live without these privileges; a person with --apply cannot
        for fault in look(writes=True)[0]:
            if fault not in faults:
                yield _with_hint(about, CheckLevel.WARNING, f"For sweep --apply: {fault}")
    if not faults:
        yield DoctorCheck(about, CheckLevel.OK, "its columns, types and values fit the mapping")


def _with_hint(about: str, level: CheckLevel, text: str) -> DoctorCheck:
    """A finding whose last sentence is a statement to run: that is its mend."""
    what, run, statement = text.partition(" Run: ")
    return DoctorCheck(about, level, what, f"Run: {statement}" if run else "")
