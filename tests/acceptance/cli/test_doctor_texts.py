"""``doctor`` shows what each SQL text of the mapping gives, and names the rows for which one fails."""

from __future__ import annotations

from dataclasses import replace

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.domain.model.payment import SqlText
from reconciler.entrypoints.doctor.sql_text_checks import sql_text_checks
from tests.acceptance.cli.conftest import CONFIGURATION, Town
from tests.acceptance.cli.test_doctor_data import indexed, of_rows, said
from tests.conftest import MakeShop

TEXTS = (
    CONFIGURATION.replace('amount = "amount"', 'amount = { sql = "t.amount / t.divisor" }')
    .replace(
        'payment_intent = "stripe_payment_intent_id"',
        "payment_intent = { sql = \"t.stripe_payment_intent_id || ''\" }",
    )
    .replace("[payments.read]", "where = \"t.status <> 'draft'\"\n[payments.read]")
    + '[payments.set.succeeded]\nnote = { sql = "upper(t.status)" }\n'
)


def test_each_text_is_shown_for_five_rows(town: Town) -> None:
    """Values, NULL and the condition are shown with the rows' keys."""
    town.shop.execute("ALTER TABLE public.payments ADD divisor int DEFAULT 1, ADD note text")
    for key in range(1, 8):
        town.pay(key, status="paid")
    town.shop.execute("UPDATE public.payments SET divisor = NULL WHERE id = 7")
    town.configure(text=TEXTS)
    lines = [check["what"] for check in of_rows(town, "ok", 0) if "the SQL text" in check["what"]]
    shown = {line.split(":")[0]: line for line in lines}
    assert shown["payments.amount"] == (
        'payments.amount: the SQL text "t.amount / t.divisor" gives row 7: NULL, row 6: "1250", row 5: "1250", row 4: "1250",'
        ' row 3: "1250"'
    )
    assert 'row 7: "true"' in shown["payments.where"]
    assert 'row 7: "PAID"' in shown["payments.set.succeeded.note"]
    assert shown["payments.payment_intent"].count("row ") == 5


def test_of_a_client_secret_only_the_id_is_shown(shop: MakeShop) -> None:
    """A secret in the column does not reach the screen."""
    made = shop()
    made.insert(key=1, payment_intent="pi_1_secret_abcdefgh1234", status="paid")
    intent = SqlText("t.stripe_payment_intent_id || ''")
    with Database(made.url) as database:
        mapping = replace(made.mapping, payment_intent=intent)
        found = inspect(database, mapping, writes=False, tries_texts=True)
        (check,) = sql_text_checks("table", database, found.table)
    assert check.what.endswith('gives row 1: "pi_1, with a client secret"')


def test_a_row_for_which_a_text_fails_is_named(town: Town) -> None:
    """The warning names the key, the text and the row; the text of the hint ends it."""
    town.shop.execute("ALTER TABLE public.payments ADD divisor int DEFAULT 1, ADD note text")
    indexed(town)
    for key in range(1, 25):
        town.pay(key, status="paid")
    town.shop.execute("UPDATE public.payments SET divisor = 0 WHERE id = 9")
    town.configure(text=TEXTS)
    found = said(town, "warning", 'payments.amount: the SQL text "t.amount / t.divisor" fails', 0)
    assert "fails for 1 row, such as the row 9" in found["what"]
    assert found["hint"].startswith("Let the SQL text give NULL")
    town.configure(text=TEXTS.replace("t.divisor", "nullif(t.divisor, 0)"))
    assert not [check for check in of_rows(town, "warning", 0) if "fails" in check["what"]]
