"""The table refuses a correction: a person is told who has to act, and what the person names is tried at once."""

from __future__ import annotations

import pytest
from psycopg import sql

from reconciler.entrypoints.cli import refusal_notes
from reconciler.errors import DatabaseUnavailableError
from tests.acceptance.cli.conftest import Town
from tests.kept_connections import kept_connection

TRIGGER = """
CREATE FUNCTION no_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'order SO-7 is archived'; END $$;
CREATE TRIGGER no_late BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION no_late()
"""


def test_what_a_table_refuses(town: Town) -> None:
    """Whole sweeps wait, and say so in a dry run too; a named payment is tried at once; explain promises nothing."""
    intent = town.pay(1)
    connection = kept_connection(town.shop.url)
    connection.execute(sql.SQL(TRIGGER).format(table=town.shop.table))
    first = town.run("sweep", "--apply")
    assert first.code == 0
    assert "refused_by_table" in first.out
    assert "0 corrected; 1 refused by your table; 0 waiting" in first.out
    assert f"{intent}: the table refused this write (no_late) at " in first.out
    assert "SO-7" not in first.out  # a report may go into a log, and the message quotes the row
    assert (
        "The sweep is complete. Not written: 1 correction that your table refused.\n" in first.out
    )
    assert f"reconciler explain {intent}" in first.out

    for options in ((), ("--record",), ("--apply",)):
        whole = town.run("sweep", *options)
        assert whole.code == 0, options
        assert "Refused by your table, and not tried by this sweep:" in whole.out, options
        assert "1 refused by your table; 0 waiting" in whole.out
        assert "Not written: 1 correction that your table refused." in whole.out
        assert "webhook may be" not in whole.out
        assert "findings were recorded, no row was corrected" not in whole.out
        assert "To correct the rows" not in whole.out

    found = town.run("explain", "1")
    assert "order SO-7 is archived" in found.out
    assert "no_late" in found.out
    assert "The owner of the table has to act" in found.out
    assert "ulfil" not in found.out
    assert "Decision: flag" in found.out

    number = town.ask("SELECT id FROM reconciler.discrepancies")[0][0]
    accepted = town.run("resolve", str(number), "--accept", "stripe", "--note", "paid")
    assert accepted.code == 1
    assert "order SO-7 is archived. Nothing was written." in accepted.err

    preview = town.run("sweep", "--payment-intent", intent)
    assert preview.code == 0
    assert "0 to correct; 1 refused by your table; 0 waiting" in preview.out
    assert "\nRefused by your table:\n" in preview.out
    assert f"{intent}: the table refused this write (no_late) at " in preview.out
    assert "Would correct" not in preview.out
    assert "To correct the rows" not in preview.out
    again = f"If its owner has acted, this tries again at once: reconciler sweep --apply --payment-intent {intent}"
    assert again in preview.out.replace("\n", " ")
    counted = town.run("sweep", "--payment-intent", intent, "--json").json
    assert (counted["would_correct"], counted["refused"], counted["waiting"]) == (0, 1, 0)

    named = town.run("sweep", "--apply", "--payment-intent", intent)
    assert named.code == 0
    assert "\nRefused by your table:\n" in named.out
    connection.execute(sql.SQL("DROP TRIGGER no_late ON {}").format(town.shop.table))
    written = town.run("sweep", "--apply", "--payment-intent", intent)
    assert written.code == 0
    assert "1 corrected; 0 waiting" in written.out
    assert "refused" not in written.out
    assert town.statuses() == {"1": "paid"}


def test_a_report_outlives_its_notes(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep has written, and then the database is away: the report still says what the sweep did."""

    def away(*_: object) -> None:
        raise DatabaseUnavailableError("The database went away.", "Start it.")

    town.pay(1)
    connection = kept_connection(town.shop.url)
    connection.execute(sql.SQL(TRIGGER).format(table=town.shop.table))
    monkeypatch.setattr(refusal_notes, "note_refusals", away)
    answer = town.run("sweep", "--apply")
    assert answer.code == 0
    assert "0 corrected; 1 refused by your table; 0 waiting" in answer.out
    assert "The database went away." in answer.out
    assert "The sweep is complete." in answer.out
