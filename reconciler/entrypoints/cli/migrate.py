"""``migrate``: our own tables."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.adapters.postgres.schema.pending_migrations import pending
from reconciler.entrypoints.cli.invocation import invocation
from reconciler.entrypoints.cli.output import write_line
from reconciler.errors import ExitCode


def migrate(
    context: typer.Context,
    daemon_role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="Grant this role what a sweep needs in our schema."),
    ] = None,
    auditor_role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="Grant this role to read our schema and to add notes."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; end with 1 if something is pending.")
    ] = False,
) -> int:
    """Create our tables, or bring them up to date.

    They are in a schema of their own, "reconciler"; yours are not touched. Run it as a role that may create a schema.
    """
    from reconciler.adapters.postgres.schema.migration import migrate as apply_migrations

    settings = invocation(context).settings(need_stripe=False, need_table=False)
    url = settings.database_url.get_secret_value()
    if check:
        missing = pending(url)
        for name in missing:
            write_line(f"pending: {name}")
        if not missing:
            write_line("The schema reconciler is up to date.")
        return int(ExitCode.NO if missing else ExitCode.DONE)
    for name in apply_migrations(url, daemon_role=daemon_role, auditor_role=auditor_role):
        write_line(f"applied: {name}")
    write_line("The schema reconciler is up to date.")
    return int(ExitCode.DONE)
