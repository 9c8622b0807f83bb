"""``migrate``: creates Reconciler's own tables, or brings them up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.adapters.postgres.schema.ledger_owner import LEDGER_ROLE, ledger_owner
from reconciler.adapters.postgres.schema.schema_state import pending_migrations
from reconciler.engine.lease.table_binding import Rebound
from reconciler.entrypoints.cli.output import warn, write_line
from reconciler.entrypoints.invocation import invocation
from reconciler.exit_codes import ExitCode


def migrate(
    context: typer.Context,
    daemon_role: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE",
            help="Grant this role the privileges that a sweep needs in the schema reconciler.",
        ),
    ] = None,
    auditor_role: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE",
            help=(
                "Grant this role what a reader needs: to read the schema reconciler, and to add notes."
            ),
        ),
    ] = None,
    worker_role: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE",
            help="Grant this role what your worker needs: to read the outbox, and to mark its rows as delivered.",
        ),
    ] = None,
    web_role: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE",
            help="Grant this role what the finance pages need: to read the schema reconciler, and to store decisions.",
        ),
    ] = None,
    rebind: Annotated[
        str | None,
        typer.Option(
            metavar="ACCOUNT",
            help="Bind this account to the table that the configuration names now, for example after a rename.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if a migration is pending.")
    ] = False,
) -> int:
    """Create Reconciler's tables, or update them.

    They are in a schema of their own, "reconciler"; your tables are not changed. Run it as a role that may create a
    schema. Each account is bound to the configured table, if it is not bound yet. Exits with 78 if it is bound to another.
    """
    from reconciler.adapters.postgres.schema.migration import migrate as apply_migrations
    from reconciler.wiring.table_binding import bind_accounts, rebind_account, record_migration

    call = invocation(context)
    settings = call.settings(need_stripe=False, need_table=rebind is not None)
    rebound = None if rebind is None else settings.account(rebind)
    url = settings.database_url.get_secret_value()

    if check:
        missing = pending_migrations(url)
        for name in missing:
            write_line(f"pending: {name}")
        if not missing:
            write_line("The schema reconciler is up to date.")
        return int(ExitCode.NO if missing else ExitCode.DONE)

    applied = apply_migrations(
        url,
        daemon_role=daemon_role,
        auditor_role=auditor_role,
        worker_role=worker_role,
        web_role=web_role,
    )
    for name in applied:
        write_line(f"applied: {name}")
    record_migration(settings, applied, call.asked_by)
    if not call.quiet:
        _warn_of_owner(ledger_owner(url))
    write_line("The schema reconciler is up to date.")
    if rebound is not None:
        _write_rebound(rebound.name, rebind_account(settings, rebound, call.clock, call.asked_by))
    elif settings.payments is not None:
        for line in bind_accounts(settings):
            write_line(line)
    return int(ExitCode.DONE)


def _write_rebound(account: str, done: Rebound) -> None:
    before = "no table" if done.before is None else done.before.described
    write_line(
        f"Account {account} was bound to {before}. Now it is bound to {done.after.described}."
    )
    if done.looked_for:
        write_line(
            f"The account's ledger names {done.looked_for} rows. This table has {done.found} of "
            "them with the same PaymentIntent."
        )


def _warn_of_owner(owner: str) -> None:
    """Say if the functions that write the ledger have more rights than they need."""
    if owner != LEDGER_ROLE:
        warn(
            f"The functions that write the ledger run with the rights of {owner}, because this "
            f"role may not create the role {LEDGER_ROLE} or act for it. The service's role still "
            "cannot write the ledger by itself.\n"
            f"hint: Run as a role that may create roles: CREATE ROLE {LEDGER_ROLE} NOLOGIN; "
            f"GRANT {LEDGER_ROLE} TO {owner}; then run reconciler migrate again."
        )
