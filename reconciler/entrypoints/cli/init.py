"""``init``: finds the table with the payments, writes a configuration for it, and shows the first findings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.entrypoints.invocation import invocation


def init(
    context: typer.Context,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Ask no question: write what is certain as settings, and what is uncertain as comments.",
        ),
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Start from the mapping of a well-known application."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(metavar="S.T", help="The table with the payments, as schema.table."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="The configuration to write.")
    ] = Path("reconciler.toml"),
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the configuration if it exists.")
    ] = False,
) -> int:
    """Find the table with the payments, and write a configuration for it.

    Needs DATABASE_URL, and STRIPE_API_KEY to compare the rows with Stripe. Looks into some hundred rows of each table,
    changes nothing in the database, asks at most four questions, writes the configuration and reconciler-grants.sql
    beside it, and ends with a dry sweep of the last week. Exits with 1 if it finds no table.
    """
    # imported here: no other command needs it
    from reconciler.entrypoints.cli.init_dialogue import write_first_configuration

    return write_first_configuration(
        invocation(context), output, table=table, preset=preset, yes=yes, force=force
    )
