"""The SQL files: each statement has a name, a reason and a caller, and each name in the code has a statement."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlparse

import reconciler.adapters.postgres as package
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES

FOLDER = Path(package.__path__[0])
ROOMS = sorted(path.stem for path in (FOLDER / "sql").glob("*.sql"))
CODE = "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))
GRANTS = {"grant_daemon", "grant_auditor"}
NAMED = [(room, name) for room in ROOMS for name in TEMPLATES[room]]


@pytest.mark.parametrize("room", ROOMS)
def test_each_file_belongs_to_a_room(room):
    """A reader finds the statements of a folder in the file of its name; those of the root are for transactions."""
    assert room == "transactions" or (FOLDER / room).is_dir()


@pytest.mark.parametrize(("room", "name"), NAMED, ids=lambda value: value)
def test_each_statement_is_one_that_the_code_runs(room, name):
    """No statement is left over, and none hides behind another; grants are several that belong together."""
    assert f'"{name}"' in CODE
    if name not in GRANTS:
        assert len(sqlparse.split(TEMPLATES[room][name].as_string(None))) == 1


@pytest.mark.parametrize("room", ROOMS)
def test_each_statement_has_its_reason(room):
    """The line below the name says why the statement is there, as a sentence."""
    text = (FOLDER / "sql" / f"{room}.sql").read_text()
    parts = re.split(r"^-- name: \w+\n", text, flags=re.MULTILINE)
    assert parts[0] == ""
    for part in parts[1:]:
        reason = " ".join(re.findall(r"\A(?:-- .*\n)+", part)).replace("\n--", "").strip()
        assert re.fullmatch(r"-- [A-Za-z].*[.]", reason), part


def test_names_are_unique():
    """A name means one statement, in whichever file it stands."""
    names = [name for _, name in NAMED]
    assert len(names) == len(set(names))


def test_every_statement_named_in_the_code_is_there():
    """A name without a statement would fail only when it is first used."""
    named = set(re.findall(r'(?:_SQL|_[A-Z]+|_TEMPLATES)\[\s*"(\w+)"', CODE))
    named |= set(re.findall(r'(?:_compose|_rows)\(\s*"(\w+)"', CODE))
    assert named <= {name for _, name in NAMED}
    assert len(named) > 90


def test_only_statements_without_identifiers_are_ready_to_run():
    """A statement with a placeholder cannot be executed before its identifiers are filled in."""
    assert "grant_daemon" not in STATEMENTS["schema"]
    assert "migrations_applied" in STATEMENTS["schema"]


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
