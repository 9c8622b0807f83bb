"""A changed configuration and a migration are entries of the ledger: which keys, who, when, and no secret."""

from __future__ import annotations

import json

import psycopg
import pytest

from tests.acceptance.cli.conftest import Town

CHANGED = """
[corrections]
grace = "3m"
[review]
materiality = { eur = 5000 }
[review.people]
ana = ["os:ana"]
"""


@pytest.fixture
def swept(town: Town) -> Town:
    """A shop after migrate and two sweeps with the same configuration."""
    assert town.run("migrate").code == 0
    town.pay(1)
    for _ in range(2):
        assert town.run("sweep", "--record").code == 0
    return town


def entries(town: Town, action: str) -> list[dict[str, object]]:
    found = town.ask(f"SELECT body FROM reconciler.ledger WHERE action = '{action}' ORDER BY seq")
    return [row[0] for row in found]


def test_a_changed_configuration_is_an_entry(swept: Town) -> None:
    """The first sweep with it says which keys changed, from what to what, and who asked for the sweep. The same
    configuration says nothing. The ledger verifies."""
    assert entries(swept, "configuration") == []
    swept.configure(CHANGED)
    for _ in range(2):
        assert swept.run("sweep", "--record", "--by", "Ana").code == 0
    (entry,) = entries(swept, "configuration")
    keys = {one["key"]: (one["before"], one["after"]) for one in entry["keys"]}  # type: ignore[attr-defined]
    assert keys["review.materiality.eur"] == (None, "5000")
    assert keys["review.people.ana"] == (None, '["os:ana"]')
    assert keys.keys() >= {"corrections.grace", "review.materiality", "review.people"}
    assert "@" in str(entry["asked_by"])
    assert entry["claimed_by"] == "Ana"
    assert swept.environ["STRIPE_API_KEY"] not in json.dumps(entry)
    assert swept.run("verify").code == 0
    ((action,),) = swept.ask(
        "SELECT action FROM reconciler.ledger WHERE seq = (SELECT max(seq) FROM reconciler.ledger WHERE action = 'sweep') - 1"
    )
    assert action != "configuration"


def test_a_dry_run_records_no_configuration(swept: Town) -> None:
    """It writes nothing."""
    swept.configure(CHANGED)
    assert swept.run("sweep").code == 0
    assert entries(swept, "configuration") == []


def test_a_migration_is_an_entry(swept: Town) -> None:
    """Of every ledger that exists: what was applied, by whom, with which program. A role that may not migrate cannot say
    so."""
    with psycopg.connect(swept.shop.url, autocommit=True) as connection:
        connection.execute(
            "DELETE FROM reconciler._yoyo_migration WHERE migration_id = '0022_configuration_record';"
            "DROP TABLE reconciler.configurations"
        )
    assert swept.run("migrate").code == 0
    (entry,) = entries(swept, "migration")
    assert entry["applied"] == ["0022_configuration_record"]
    assert "@" in str(entry["asked_by"])
    assert swept.run("migrate").code == 0
    assert len(entries(swept, "migration")) == 1
    assert swept.run("verify").code == 0
