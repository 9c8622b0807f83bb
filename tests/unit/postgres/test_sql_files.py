"""The SQL files: each statement has a name, a reason and a caller, and each name in the code has a statement."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlparse

import reconciler.adapters.postgres as package
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES

FOLDER = Path(package.__path__[0])
FILES = sorted(path.stem for path in (FOLDER / "sql").glob("*.sql"))
CODE = "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))
GRANTS = {"grant_ledger_role"}
NAMED = [(file, name) for file in FILES for name in TEMPLATES[file]]


@pytest.mark.parametrize("file", FILES)
def test_each_file_belongs_to_a_folder(file):
    """The statements of a folder are in the file of its name; the file transactions is for all of them."""
    assert file == "transactions" or (FOLDER / file).is_dir()


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda value: value)
def test_each_statement_is_used(file, name):
    """The code uses every name, and a name is one statement; the GRANTs of a role are several that belong together."""
    assert f'"{name}"' in CODE
    if name not in GRANTS:
        assert len(sqlparse.split(TEMPLATES[file][name].as_string(None))) == 1


@pytest.mark.parametrize("file", FILES)
def test_each_statement_has_its_reason(file):
    """The line below the name says why the statement exists, as a sentence."""
    text = (FOLDER / "sql" / f"{file}.sql").read_text()
    parts = re.split(r"^-- name: \w+\n", text, flags=re.MULTILINE)
    assert parts[0] == ""
    for part in parts[1:]:
        reason = " ".join(re.findall(r"\A(?:-- .*\n)+", part)).replace("\n--", "").strip()
        assert re.fullmatch(r"-- [A-Za-z].*[.]", reason), part


def test_names_are_unique():
    """A name means one statement over all files."""
    names = [name for _, name in NAMED]
    assert len(names) == len(set(names))


def test_every_statement_named_in_the_code_exists():
    """A name without a statement would fail only at its first use."""
    named = set(re.findall(r'(?:_SQL|_[A-Z]+|_TEMPLATES)\[\s*"(\w+)"', CODE))
    named |= set(re.findall(r'(?:_compose|_rows)\(\s*"(\w+)"', CODE))
    assert named <= {name for _, name in NAMED}
    assert len(named) > 90


def test_only_statements_without_identifiers_are_ready_to_run():
    """A statement with a placeholder is no statement to execute: its identifiers have to be filled in first."""
    assert "grant_right" not in STATEMENTS["schema"]
    assert "migrations_applied" in STATEMENTS["schema"]


def test_no_sql_is_written_in_code():
    """Statements are in files; the code composes only identifiers and expressions."""
    assert not re.search(
        r'"(SELECT|INSERT|UPDATE|DELETE|BEGIN|CREATE|GRANT) [^"]*(FROM|INTO|SET|TABLE) ',
        CODE.replace("Run: ", ""),
    )


def test_migrations_are_plain_ascii():
    """yoyo reads them in the machine's encoding, which may be any."""
    for path in (FOLDER / "migrations").glob("*.sql"):
        assert path.read_bytes().isascii(), path.name
