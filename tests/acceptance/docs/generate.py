"""Rewrites the generated blocks of the documentation. Run it from the root of the checkout after a change of a command's
help, a configuration key, a rule, a metric, a log event, an alert rule or a migration::

    python -m tests.acceptance.docs.generate

The tests beside it fail as long as a page is stale.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

import psycopg

from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.entrypoints.explained_kinds import TEXT as HELP_TEXT
from tests.acceptance.docs import facts_database, facts_program, facts_rules
from tests.acceptance.docs.pages import DOCS, Block, block_names, regenerated
from tests.acceptance.docs.played_tutorial import PAGE, Tutorial

COMMANDS: Final = DOCS / "reference" / "commands.md"
KINDS: Final = DOCS / "reference" / "kinds-and-reasons.md"
SCHEMA: Final = DOCS / "reference" / "database-schema.md"
STORED: Final = DOCS / "reference" / "stored-data.md"
GRANTS: Final = DOCS / "reference" / "grants.md"


def pages() -> list[Path]:
    """Every page with a generated block."""
    return [
        path for path in sorted(DOCS.rglob("*.md")) if block_names(path.read_text(encoding="utf-8"))
    ]


def program_blocks() -> dict[str, Block]:
    """Every block that needs no database."""
    return {**facts_rules.BLOCKS, **facts_program.blocks()}


def fresh(path: Path, blocks: dict[str, Block]) -> str:
    """The page as it should be."""
    text = path.read_text(encoding="utf-8")
    if path == COMMANDS:
        text = facts_program.command_sections(text)
    return regenerated(text, blocks)


def tutorial_blocks(tutorial: Tutorial) -> dict[str, Block]:
    """The blocks of the tutorial."""

    def unchanging(text: str) -> Block:
        return lambda _old: text

    return {name: unchanging(text) for name, text in tutorial.blocks.items()}


def _rewrite(path: Path, blocks: dict[str, Block]) -> None:
    text = fresh(path, blocks)
    if text != path.read_text(encoding="utf-8"):
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"rewritten: {path.relative_to(DOCS.parent)}\n")


def _rewrite_with_database() -> None:
    """Rewrite the pages that show what a database answers."""
    postgres = EmbeddedPostgres()
    try:
        url = postgres.start()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE ROLE daemon")
            connection.execute("CREATE ROLE auditor")
            connection.execute("CREATE ROLE web")
            migrate(url, daemon_role="daemon", auditor_role="auditor", web_role="web")
            blocks = facts_database.blocks(connection, "daemon", "auditor", "web")
            _rewrite(SCHEMA, blocks)
            _rewrite(GRANTS, blocks)
            _rewrite(STORED, blocks)
            # the tutorial begins without the schema
            connection.execute("DROP SCHEMA reconciler CASCADE")
        with tempfile.TemporaryDirectory() as folder, Tutorial(url, Path(folder)) as tutorial:
            _rewrite(PAGE, tutorial_blocks(tutorial))
    finally:
        postgres.stop()


def main() -> None:
    for path in pages():
        if path not in (SCHEMA, GRANTS, STORED, PAGE):
            _rewrite(path, program_blocks())
    # the documentation is not installed, and ``reconciler help`` reads this page
    HELP_TEXT.write_bytes(KINDS.read_bytes())
    _rewrite_with_database()


if __name__ == "__main__":
    main()
