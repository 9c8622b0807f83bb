"""A newer version of Reconciler has migrated the schema: this version does not work with it."""

from __future__ import annotations

import pytest

from tests.acceptance.installation import Installation

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
    "run",
    "migrate",
    "migrate --check",
)
NEWER = (
    "INSERT INTO reconciler._yoyo_migration (migration_hash, migration_id, applied_at_utc)"
    " VALUES ('x', '0999_later', now())"
)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_works_on_a_newer_schema(installation: Installation, command: str) -> None:
    """Exit 78: the message names the migration, the hint says to install the newer version; nothing is written."""
    installation.set_clock_to_now()
    installation.add_payment(1)
    installation.execute(NEWER)
    before = installation.dump()

    # the service needs a process of its own
    start = installation.run_process if command == "run" else installation.run
    # any port: the usual one may be in use on this machine
    answer = start(*command.split(), RECONCILER_SERVICE__LISTEN="127.0.0.1:0")

    assert answer.code == 78, answer
    said = answer.out + answer.err
    assert "0999_later" in said
    assert "newer version of Reconciler" in said
    assert "Install" in said
    assert installation.dump() == before


def test_the_same_commands_work_on_the_schema_that_this_version_knows(
    installation: Installation,
) -> None:
    """yoyo's own tables beside the applied migrations do not count as unknown ones."""
    installation.set_clock_to_now()
    installation.add_payment(1)
    for command in ("sweep --apply", "status", "verify", "doctor", "migrate", "migrate --check"):
        assert installation.run(*command.split()).code == 0, command
