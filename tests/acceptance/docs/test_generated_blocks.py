"""The generated blocks of the pages are what the program says today.

After a change, run ``python -m tests.acceptance.docs.generate`` from the root of the checkout.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.domain.findings.discrepancy import Kind
from tests.acceptance.docs import facts_database, facts_program
from tests.acceptance.docs.generate import (
    COMMANDS,
    GRANTS,
    SCHEMA,
    STORED,
    fresh,
    pages,
    program_blocks,
    tutorial_blocks,
)
from tests.acceptance.docs.pages import DOCS, UNWRITTEN, block_names, sections
from tests.acceptance.docs.played_tutorial import PAGE, Tutorial

STALE = "the page is stale; run: python -m tests.acceptance.docs.generate"
WITHOUT_DATABASE = [path for path in pages() if path not in (SCHEMA, GRANTS, STORED, PAGE)]


def name_of(path: Path) -> str:
    """How a test names a page."""
    return str(path.relative_to(DOCS))


@pytest.mark.parametrize("path", WITHOUT_DATABASE, ids=name_of)
def test_page_is_fresh(path: Path) -> None:
    """Help, configuration, rules, metrics, log events, alerts and exit codes stand on the pages as the code has them."""
    assert fresh(path, program_blocks()) == path.read_text(encoding="utf-8"), STALE


def test_schema_page_is_fresh(
    database: str, role: Callable[[str], tuple[str, Callable[[str], str]]]
) -> None:
    """The pages of the schema, of the grants and of what is stored have what a migrated database has, and nothing else."""
    (daemon, _), (auditor, _), (web, _) = role("daemon"), role("auditor"), role("web")
    migrate(database, daemon_role=daemon, auditor_role=auditor, web_role=web)
    with psycopg.connect(database, autocommit=True) as connection:
        blocks = facts_database.blocks(connection, daemon, auditor, web)
        made = (SCHEMA, GRANTS, STORED)
        texts = [page.read_text(encoding="utf-8") for page in made]
        assert [fresh(page, blocks) for page in made] == texts, STALE
    assert {name for text in texts for name in block_names(text)} == set(blocks)


def test_tutorial_is_fresh(tutorial: Tutorial) -> None:
    """The tutorial's table, rows, configuration and commands work as they stand, and answer what the page shows."""
    text = PAGE.read_text(encoding="utf-8")
    assert fresh(PAGE, tutorial_blocks(tutorial)) == text, STALE
    assert set(tutorial.codes.values()) == {0}


def test_tutorial_corrects_nothing_again(tutorial: Tutorial) -> None:
    """As the tutorial says at its end: what was undone is only flagged by the next sweep."""
    answer = tutorial.run("reconciler sweep --apply")
    assert answer.code == 0
    assert "0 corrected" in answer.out
    assert "missed_outcome" in answer.out


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=name_of)
def test_page_is_written(path: Path) -> None:
    """Every cell of a generated table that is written by hand has its text, and every block is known."""
    text = path.read_text(encoding="utf-8")
    assert UNWRITTEN not in text
    if path in WITHOUT_DATABASE:
        assert set(block_names(text)) <= set(program_blocks())


def test_every_command_has_a_section() -> None:
    """The page of commands has a section for each command, in the order of the help, and no other."""
    titles = list(sections(COMMANDS.read_text(encoding="utf-8")))
    assert titles == [f"reconciler {command}" for command in facts_program.commands()]


def test_every_kind_has_a_section() -> None:
    """The page of kinds says for each kind what to do about it, in the order of the code, and for no other."""
    text = (DOCS / "reference" / "kinds-and-reasons.md").read_text(encoding="utf-8")
    assert list(sections(text, level=3)) == [kind.value for kind in Kind]


def test_every_alert_has_a_section() -> None:
    """The page for the night has a section for each alert rule, in the order of the rules, and for no other."""
    text = (DOCS / "how-to" / "troubleshoot-at-night.md").read_text(encoding="utf-8")
    assert list(sections(text)) == [alert.name for alert in facts_program.alerts()]
