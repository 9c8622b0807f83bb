"""SQL texts, "keep" and words that are no text in [payments]."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.domain.model.payment import SqlText
from reconciler.domain.outcome import Outcome
from reconciler.settings.fingerprint import configuration_fingerprint
from tests.unit.settings.configuration import VALID, faults, loaded

INTENT = VALID[VALID.index("payment_intent") :].splitlines()[0]


def test_an_sql_text_stands_in_the_place_of_a_column(tmp_path: Path) -> None:
    """In the file as an inline table, in the environment by its own variable."""
    text = VALID.replace(INTENT, "payment_intent = { sql = \"t.data->>'id'\" }")
    settings = loaded(tmp_path, text, RECONCILER_PAYMENTS__ORDER__SQL="t.basket")
    mapping = settings.table.mapping
    assert mapping.payment_intent == SqlText("t.data->>'id'")
    assert mapping.order == SqlText("t.basket")


@pytest.mark.parametrize("sql", ["t.a =", "DELETE FROM x", "t.a; t.b", "", "nextval(", "SELECT 1"])
def test_a_wrong_sql_text_is_one_fault_that_names_key_and_text(tmp_path: Path, sql: str) -> None:
    """It is found before any database is asked."""
    text = VALID.replace(INTENT, f'payment_intent = {{ sql = "{sql}" }}')
    (fault,) = faults(tmp_path, text)
    assert str(fault).startswith(f'payments.payment_intent: the SQL text "{sql}"')


def test_keep_and_words_of_other_types(tmp_path: Path) -> None:
    """A status may be written as a boolean or a number, and "keep" is no status."""
    text = VALID.replace('succeeded = "paid"', 'succeeded = 7\ncanceled = "keep"')
    text = text.replace('paid = "succeeded"', '7 = "succeeded"')
    statuses = loaded(tmp_path, text).table.statuses
    assert statuses.write == {Outcome.SUCCEEDED: "7"}
    assert statuses.kept == {Outcome.CANCELED}


@pytest.mark.parametrize("write", ['succeeded = "paid"', 'succeeded = "paid"\ncanceled = "keep"'])
def test_keep_as_a_status_of_the_table_is_a_fault(tmp_path: Path, write: str) -> None:
    """It would have two meanings, as soon as [payments.write] says it; the fault is the same before."""
    text = VALID.replace('succeeded = "paid"', write)
    text = text.replace('paid = "succeeded"', 'paid = "succeeded"\nkeep = "canceled"')
    (fault,) = faults(tmp_path, text)
    assert str(fault).startswith('payments.read.keep = "canceled": "keep" cannot be a status')
    assert "WHEN 'keep' THEN 'kept'" in fault


def test_the_fingerprint_holds_sql_texts_without_a_warning(tmp_path: Path) -> None:
    """A warning would stand on the terminal at every sweep. Another text is another configuration."""
    prints = set()
    for column in ("a", "b"):
        text = VALID.replace(INTENT, f'payment_intent = {{ sql = "t.{column}" }}')
        text += f'\n[payments.set.succeeded]\nnote = {{ sql = "t.note" }}\nkind = "{column}"\n'
        prints.add(configuration_fingerprint(loaded(tmp_path, text)))
    assert len(prints) == 2
