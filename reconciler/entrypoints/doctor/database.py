"""Checks the database: the server, the schema ``reconciler``, and the merchant's table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import Inspection, inspect
from reconciler.adapters.postgres.merchant.table_warnings import warnings_of
from reconciler.adapters.postgres.schema.schema_state import pending_migrations, schema_access
from reconciler.engine.report import Mode
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck, failed
from reconciler.entrypoints.doctor.row_ids import id_checks
from reconciler.entrypoints.doctor.rows_of_no_account_check import no_account_checks
from reconciler.entrypoints.doctor.sql_text_checks import sql_text_checks
from reconciler.entrypoints.doctor.tried_writes import write_checks
from reconciler.entrypoints.doctor.where_check import where_checks
from reconciler.errors import ConfigurationError, ConfigurationFault, ReconcilerError
from reconciler.settings import Settings
from reconciler.wiring.table_binding import table_guard

OLDEST_SERVER: Final = 140000
"""PostgreSQL 14, as server_version_num has it."""
SCHEMA: Final = "schema reconciler"


def database_checks(settings: Settings, *, probe: bool = False) -> Iterator[DoctorCheck]:
    """Every check of the database that the configuration allows.

    ``probe`` is whether writes are tried although a trigger may act outside of the database.
    """
    if settings.database.url is None:
        yield DoctorCheck("database", CheckLevel.SKIPPED, "no database is configured")
        return
    try:
        with Database(settings.database_url.get_secret_value()) as database:
            yield from _server_checks(database)
            yield from _separately(SCHEMA, _schema_checks(settings, database))
            yield from _separately("table", _table_checks(settings, database, probe=probe))
    except ReconcilerError as error:
        yield failed("database", error)


def _separately(about: str, checks: Iterator[DoctorCheck]) -> Iterator[DoctorCheck]:
    """The checks, or the error that prevents them, so that the checks of another subject are still made."""
    try:
        yield from checks
    except ReconcilerError as error:
        yield failed(about, error)


def _server_checks(database: Database) -> Iterator[DoctorCheck]:
    with database.connection("asking the server for its version") as connection:
        server = connection.info
        version, text = server.server_version, server.parameter_status("server_version")
        is_standby = server.parameter_status("in_hot_standby") == "on"
    if version < OLDEST_SERVER:
        yield DoctorCheck(
            "database",
            CheckLevel.FAULT,
            f"the server is PostgreSQL {text}",
            "Use PostgreSQL 14 or later.",
        )
    else:
        yield DoctorCheck("database", CheckLevel.OK, f"connected to PostgreSQL {text}")
    if is_standby:
        yield DoctorCheck(
            "database",
            CheckLevel.FAULT,
            "the server is a standby: Reconciler cannot write there, and the rows may be older than those of the primary",
            "Connect to the primary.",
        )


def _schema_checks(settings: Settings, database: Database) -> Iterator[DoctorCheck]:
    missing = pending_migrations(settings.database_url.get_secret_value())
    if missing:
        yield DoctorCheck(
            SCHEMA,
            CheckLevel.FAULT,
            f"pending migrations: {', '.join(missing)}",
            "Run: reconciler migrate --daemon-role ROLE. A dry run works without this step.",
        )
        return
    if schema_access(database).may_write:
        yield DoctorCheck(
            SCHEMA, CheckLevel.OK, "the schema is up to date, and this role may write to it"
        )
    else:
        yield DoctorCheck(
            SCHEMA,
            CheckLevel.FAULT,
            "the schema is up to date, but this role lacks privileges that a sweep needs",
            "Run as the schema's owner: reconciler migrate --daemon-role ROLE. A dry run works without this step.",
        )


def _table_checks(settings: Settings, database: Database, *, probe: bool) -> Iterator[DoctorCheck]:
    if settings.payments is None:
        yield DoctorCheck("table", CheckLevel.SKIPPED, "no table is configured")
        return
    payments = settings.payments
    about = f"table {payments.table}"

    def faults_and_warnings(
        *, writes: bool
    ) -> tuple[tuple[ConfigurationFault, ...], tuple[ConfigurationFault, ...], Inspection]:
        found = inspect(
            database,
            payments.mapping,
            writes=writes,
            links=payments.links,
            accounts=[account.rows for account in settings.accounts],
            tries_texts=True,
        )
        return found.faults, warnings_of(database, found), found

    # a service in the mode "report" needs no privilege to write to the table
    must_write = settings.corrections.mode is Mode.UPDATE
    faults, warnings, found = faults_and_warnings(writes=must_write)
    for fault in faults:
        yield DoctorCheck(about, CheckLevel.FAULT, fault.what, fault.hint)
    for warning in warnings:
        yield DoctorCheck(about, CheckLevel.WARNING, warning.what, warning.hint)
    if not must_write and payments.write:
        # a person who runs sweep --apply needs these privileges in either mode
        for fault in faults_and_warnings(writes=True)[0]:
            if fault not in faults:
                what = f"For sweep --apply: {fault.what}"
                yield DoctorCheck(about, CheckLevel.WARNING, what, fault.hint)
    yield from id_checks(about, found, database)
    yield from sql_text_checks(about, database, found.table)
    yield from where_checks(about, database, found.table)
    yield from no_account_checks(about, settings, database, found.table)
    yield from _binding_checks(about, settings, database, found)
    if must_write and not faults:
        accounts = [account.rows for account in settings.accounts]
        yield from write_checks(about, database, found, accounts, probe=probe)
    if not faults:
        yield DoctorCheck(
            about, CheckLevel.OK, "the table's columns, types and values fit the mapping"
        )


def _binding_checks(
    about: str, settings: Settings, database: Database, found: Inspection
) -> Iterator[DoctorCheck]:
    """Whether an account is bound to another table, or its ledger names rows that this table does not have."""
    if found.table is None or not schema_access(database).may_read:
        return
    for account in settings.accounts:
        try:
            table_guard(database, found.table, account).raise_if_not_its_table()
        except ConfigurationError as error:
            for fault in error.faults:
                yield DoctorCheck(about, CheckLevel.FAULT, fault.what, fault.hint)
