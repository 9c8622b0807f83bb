"""The words and fields of a table binding."""

from __future__ import annotations

from reconciler.domain.model.payment import AccountRows
from reconciler.domain.model.table_binding import TableBinding


def test_a_binding_in_words() -> None:
    """A message names the table, its columns, and the account's value if the table has several accounts."""
    whole = TableBinding("public.payments", "id", "intent")
    assert whole.described == "public.payments (key id, PaymentIntent intent)"
    part = TableBinding("public.payments", "id", "intent", "shop", "eu")
    assert part.described == "public.payments (key id, PaymentIntent intent, rows with shop = eu)"
    assert part.fields["account_value"] == "eu"
    assert whole != part


def test_what_the_account_column_holds() -> None:
    """The column holds the account's name, if the configuration names no other value."""
    assert AccountRows("eu").held == "eu"
    assert AccountRows("eu", "7").held == "7"
