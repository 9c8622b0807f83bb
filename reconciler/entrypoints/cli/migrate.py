"""``migrate``: creates Reconciler's own tables, or brings them up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.adapters.postgres.schema.schema_state import pending_migrations
from reconciler.entrypoints.cli.output import write_line
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
            metavar="ROLE", help="Grant this role to read the schema reconciler and to add notes."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if a migration is pending.")
    ] = False,
) -> int:
    """Create Reconciler's tables, or update them.

    They are in a schema of their own, "reconciler"; your tables are not changed. Run it as a role that may create a
    schema.
    """
    from reconciler.adapters.postgres.schema.migration import migrate as apply_migrations

    settings = invocation(context).settings(need_stripe=False, need_table=False)
    url = settings.database_url.get_secret_value()

    if check:
        missing = pending_migrations(url)
        for name in missing:
            write_line(f"pending: {name}")
        if not missing:
            write_line("The schema reconciler is up to date.")
        return int(ExitCode.NO if missing else ExitCode.DONE)

    for name in apply_migrations(url, daemon_role=daemon_role, auditor_role=auditor_role):
        write_line(f"applied: {name}")
    write_line("The schema reconciler is up to date.")
    return int(ExitCode.DONE)
