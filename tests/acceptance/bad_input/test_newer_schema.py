"""A newer version of Reconciler has migrated the schema: this version does not work with it."""

from __future__ import annotations

import pytest

from tests.acceptance.installation import Answer, Installation

COMMANDS = (
    "sweep",
    "sweep --apply",
    "sweep --record",
    "plan",
    "explain pi_1",
    "resolve 1 --note x",
    "revert 1",
    "discrepancies",
    "export",
    "status",
    "verify",
    "doctor",
    "migrate",
    "migrate --check",
)
NEWER = (
    "INSERT INTO reconciler._yoyo_migration (migration_hash, migration_id, applied_at_utc)"
    " VALUES ('x', '0999_later', now())"
)


@pytest.fixture
def migrated_later(installation: Installation) -> Installation:
    """An installation with one open payment, whose schema a newer version has migrated."""
    installation.set_clock_to_now()
    installation.add_payment(1)
    installation.execute(NEWER)
    return installation


def _assert_refused(answer: Answer, command: str) -> None:
    """Exit 78: the message names the migration, and the hint says to install the newer version."""
    assert answer.code == 78, (command, answer)
    said = answer.out + answer.err
    for words in ("0999_later", "newer version of Reconciler", "Install"):
        assert words in said, command


def test_no_command_works_on_a_newer_schema(migrated_later: Installation) -> None:
    """Each is refused, and nothing is written."""
    before = migrated_later.dump()
    for command in COMMANDS:
        _assert_refused(migrated_later.run(*command.split()), command)
        assert migrated_later.dump() == before, command


@pytest.mark.long
def test_no_service_works_on_a_newer_schema(migrated_later: Installation) -> None:
    """The service is refused in the same words, and nothing is written."""
    before = migrated_later.dump()
    # any port: the usual one may be in use on this machine
    answer = migrated_later.run_process("run", RECONCILER_SERVICE__LISTEN="127.0.0.1:0")
    _assert_refused(answer, "run")
    assert migrated_later.dump() == before


def test_the_same_commands_work_on_the_schema_that_this_version_knows(
    installation: Installation,
) -> None:
    """yoyo's own tables beside the applied migrations do not count as unknown ones."""
    installation.set_clock_to_now()
    installation.add_payment(1)
    for command in ("sweep --apply", "status", "verify", "doctor", "migrate", "migrate --check"):
        assert installation.run(*command.split()).code == 0, command
