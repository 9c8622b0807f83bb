"""The doctor's advice about ids, accounts and the condition works: each hint is tested by following it."""

from __future__ import annotations

from tests.acceptance.cli.conftest import CONFIGURATION, Town
from tests.acceptance.cli.test_doctor_data import is_silent, said


def test_a_column_without_any_id_of_a_payment_intent(town: Town) -> None:
    """Another gateway's ids are a fault. The column that holds pi_… ends it."""
    for key in (1, 2, 3):
        town.pay(key, status="paid")
    town.shop.execute("ALTER TABLE public.payments ADD gateway_id text")
    town.shop.execute("UPDATE public.payments SET gateway_id = 'PSP-' || id")
    town.configure(text=CONFIGURATION.replace("stripe_payment_intent_id", "gateway_id"))
    found = said(
        town, "fault", "none of the 3 newest ids in gateway_id is the id of a PaymentIntent", 78
    )
    assert "PSP-" in found["what"]
    assert found["hint"].startswith("Map the column that holds pi_…")
    town.configure()
    assert is_silent(town, "newest ids")


def test_rows_of_no_account(town: Town) -> None:
    """The warning counts them by what their column holds; value and holds_null end it."""
    town.shop.execute("ALTER TABLE public.payments ADD shop text")
    for key in (1, 2, 3):
        town.pay(key, status="paid")
    town.shop.execute("UPDATE public.payments SET shop = 'us' WHERE id = 2")
    town.shop.execute("UPDATE public.payments SET shop = 'eu' WHERE id = 3")
    mapped = CONFIGURATION.replace('order = "order_id"', 'order = "order_id"\naccount = "shop"')
    town.configure('[[accounts]]\nname = "eu"\n', text=mapped)
    found = said(town, "warning", "2 rows belong to no configured account", 0)
    assert "(value, or holds_null for NULL)" in found["hint"]
    accounts = '[[accounts]]\nname = "eu"\nholds_null = true\n[[accounts]]\nname = "america"\nvalue = "us"\n'
    town.configure(accounts, text=mapped)
    assert is_silent(town, "no configured account")


def test_a_condition_that_is_true_for_no_row(town: Town) -> None:
    """A typing error leaves out every row, and each report looks clean: a warning, which the corrected condition ends."""
    town.pay(1, status="paid")
    wrong = CONFIGURATION.replace(
        "[payments.read]", "where = \"t.status = 'Paid'\"\n[payments.read]"
    )
    town.configure(text=wrong)
    assert town.run("sweep").code == 0
    found = said(town, "warning", "is true for no row: it leaves out all 1 rows", 0)
    assert found["hint"].startswith("If these rows are payments with Stripe, correct the condition")
    town.configure(text=wrong.replace("'Paid'", "'paid'"))
    assert is_silent(town, "is true for no row")
