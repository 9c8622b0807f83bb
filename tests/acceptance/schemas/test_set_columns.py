"""[payments.set]: what a correction writes besides the status, or in its place, and what a revert puts back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.installation import Installation
from tests.some_quick import some_quick

SET = {
    "paid_at": {"sql": "now()"},
    "captured": True,
    "note": "50% 'ok'",
    "total": {"sql": "t.amount + (SELECT count(*) FROM payments p WHERE p.id = t.id)"},
}


@pytest.fixture
def shop_with_columns(make_installation: Callable[..., Installation]) -> Installation:
    """Two lost payments in a table with columns beside the status."""
    made = make_installation()
    made.execute(
        "ALTER TABLE payments ADD paid_at timestamptz, ADD captured boolean DEFAULT false, ADD note varchar(20),"
        " ADD total numeric(12,2), ADD document jsonb DEFAULT '{\"a\": 1}',"
        " ADD doubled bigint GENERATED ALWAYS AS (amount * 2) STORED"
    )
    made.configure(payments={"set": {"succeeded": SET}})
    for key in (1, 2):
        made.add_payment(key)
    return made


def columns(made: Installation) -> list[tuple[object, ...]]:
    return made.query(
        "SELECT status, paid_at IS NOT NULL, captured, note, total::text, document::text FROM payments ORDER BY id"
    )


BEFORE = ("pending", False, False, None, None, '{"a": 1}')
AFTER = ("paid", True, True, "50% 'ok'", "1251.00", '{"a": 1}')


def test_a_correction_writes_every_column_and_a_revert_puts_it_back(
    shop_with_columns: Installation,
) -> None:
    """The ledger has the values before and after; a column that changed since keeps its row from being reverted."""
    made = shop_with_columns
    report = made.sweep("--apply", "--json").json
    assert columns(made) == [AFTER, AFTER]
    ((written,),) = made.query(
        "SELECT body->'columns' FROM reconciler.ledger WHERE action = 'correction' AND body->>'key' = '1'"
    )
    assert written["captured"] == {"before": "false", "after": "true"}
    assert written["total"] == {"before": None, "after": "1251.00"}
    assert made.sweep("--apply", "--json").json["corrected"] == 0
    made.check_ledger()

    made.execute("UPDATE payments SET note = 'by hand' WHERE id = 2")
    answer = made.run("revert", str(report["sweep"]), "--json").json
    assert [item["payment"] for item in answer["skipped"]] == ["2"]
    assert "note has changed" in answer["skipped"][0]["why"]
    assert columns(made)[0] == BEFORE
    assert columns(made)[1][0] == "paid"
    made.check_ledger()


def test_a_document_is_kept_as_its_hash_and_not_taken_back(shop_with_columns: Installation) -> None:
    """The row is named as one that a revert cannot take back."""
    made = shop_with_columns
    made.configure(
        payments={"set": {"succeeded": {"document": {"sql": "t.document || '{\"paid\": true}'"}}}}
    )
    report = made.sweep("--apply", "--json").json
    assert columns(made)[0][-1] == '{"a": 1, "paid": true}'
    ((written,),) = made.query(
        "SELECT body->'columns'->'document' FROM reconciler.ledger WHERE action = 'correction' AND body->>'key' = '1'"
    )
    assert set(written["before"]) == set(written["after"]) == {"sha256"}
    answer = made.run("revert", str(report["sweep"]), "--json").json
    assert answer["reverted"] == 0
    assert all("SHA-256" in item["why"] for item in answer["skipped"])


def test_a_status_that_is_an_sql_text_is_written_by_its_columns(
    shop_with_columns: Installation,
) -> None:
    """After the write the text has to read as the outcome; a set that does not make it so is not kept."""
    made = shop_with_columns
    status = {"sql": "CASE WHEN t.captured THEN 'paid' ELSE 'pending' END"}
    read = {"pending": "incomplete", "paid": "succeeded"}
    payments = {"status": status, "read": read, "write": {"succeeded": "paid"}}
    made.configure(payments={**payments, "set": {"succeeded": {"note": "x"}}})
    made.sweep("--apply")
    assert columns(made)[0] == BEFORE
    reasons = made.query("SELECT DISTINCT reason FROM reconciler.discrepancies")
    assert reasons == [("not_kept_by_table",)]

    made.configure(payments={**payments, "set": {"succeeded": {"captured": True}}})
    made.execute("DELETE FROM reconciler.rechecks")
    assert made.sweep("--apply", "--json").json["corrected"] == 2
    assert [row[2] for row in columns(made)] == [True, True]


def test_a_row_that_set_takes_out_of_the_mapping_is_not_written(
    shop_with_columns: Installation,
) -> None:
    """Another sweep could not find it again."""
    made = shop_with_columns
    made.configure(payments={"where": "note IS NULL"})
    made.sweep("--apply")
    assert columns(made) == [BEFORE, BEFORE]


WRONG = [
    ({"paid_att": True}, "no column paid_att"),
    ({"doubled": 1}, "PostgreSQL generates this column"),
    ({"captured": "perhaps"}, "cannot be stored in the column"),
    ({"total": {"sql": "random()"}}, "random()"),
    ({"total": {"sql": "amount"}}, "ambiguous"),
    ({"total": {"sql": "t.note"}}, None),
    ({"amount": 1}, "already mapped as [payments] amount"),
    ({"paid_at": {"sql": "t.a ="}}, "no SQL expression"),
]


@some_quick(("columns_set", "said"), WRONG, quick=3)
def test_a_wrong_set_ends_the_start(
    shop_with_columns: Installation, columns_set: dict[str, object], said: str | None
) -> None:
    """The message names the key and the text, and nothing is written."""
    made = shop_with_columns
    made.configure(payments={"set": {"succeeded": columns_set}})
    answer = made.sweep("--apply")
    if said is None:
        assert answer.code == 0
        return
    assert answer.code == 78
    assert said in answer.err
    assert next(iter(columns_set)) in answer.err
    assert columns(made) == [BEFORE, BEFORE]
