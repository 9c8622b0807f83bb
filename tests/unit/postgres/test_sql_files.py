"""The SQL files: each is used, and each of them is one statement."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlparse

import reconciler.adapters.postgres as package

FOLDER = Path(package.__path__[0])
FILES = sorted((FOLDER / "sql").glob("*.sql"))
CODE = "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))
GRANTS = {"grant_daemon", "grant_auditor"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_is_one_statement_that_somebody_runs(path):
    """No statement is left over, and none hides behind another; grants are several that belong together."""
    assert f'"{path.stem}"' in CODE
    if path.stem not in GRANTS:
        assert len(sqlparse.split(path.read_text())) == 1


def test_every_statement_named_in_the_code_is_there():
    """A name without a file would fail only when it is first used."""
    named = set(re.findall(r'(?:statement|template|_compose|_rows)\(\s*"(\w+)"', CODE))
    assert named <= {path.stem for path in FILES}
    assert len(named) > 30


def test_no_sql_is_written_in_code():
    """Statements live in files; code composes identifiers and expressions alone."""
    assert not re.search(
        r'"(SELECT|INSERT|UPDATE|DELETE|BEGIN|CREATE|GRANT) [^"]*(FROM|INTO|SET|TABLE) ',
        CODE.replace("Run: ", ""),
    )


def test_migrations_are_plain_ascii():
    """yoyo reads them in the machine's own encoding, which may be any."""
    for path in (FOLDER / "migrations").glob("*.sql"):
        assert path.read_bytes().isascii(), path.name
