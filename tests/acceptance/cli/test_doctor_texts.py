"""``doctor`` shows what each SQL text of the mapping gives, and names the rows for which one fails."""

from __future__ import annotations

from tests.acceptance.cli.conftest import CONFIGURATION, Town
from tests.acceptance.cli.test_doctor_data import indexed, of_rows, said

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
    """Values, NULL and the condition are shown with the rows' keys; a client secret is masked."""
    town.shop.execute("ALTER TABLE public.payments ADD divisor int DEFAULT 1, ADD note text")
    for key in range(1, 8):
        town.pay(key, status="paid")
    town.shop.execute("UPDATE public.payments SET divisor = NULL WHERE id = 7")
    town.shop.execute(
        "UPDATE public.payments SET stripe_payment_intent_id = stripe_payment_intent_id || '_secret_abcdefgh1234' WHERE id = 6"
    )
    town.configure(text=TEXTS)
    lines = [check["what"] for check in of_rows(town, "ok", 0) if "the SQL text" in check["what"]]
    shown = {line.split(":")[0]: line for line in lines}
    assert shown["payments.amount"] == (
        'payments.amount: the SQL text "t.amount / t.divisor" gives row 7: NULL, row 6: "1250", row 5: "1250", row 4: "1250",'
        ' row 3: "1250"'
    )
    assert 'row 7: "true"' in shown["payments.where"]
    assert 'row 7: "PAID"' in shown["payments.set.succeeded.note"]
    assert "secret_abc" not in shown["payments.payment_intent"]
    assert shown["payments.payment_intent"].count("row ") == 5


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
