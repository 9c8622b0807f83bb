"""A customer says that the card was charged twice: every name of the order tells a person so."""

from __future__ import annotations

from datetime import timedelta

from tests.acceptance.cli.conftest import CONFIGURATION, HOUR_AGO, Town

LINKED = CONFIGURATION.replace(
    'order = "order_id"', 'order = "order_id"\nlink_metadata = "order_id"'
)


def test_every_name_of_an_order_that_was_paid_twice(town: Town) -> None:
    """The row is paid and agrees, and a second PaymentIntent of its order was paid without a row.

    The order, the row's key, both PaymentIntents and both discrepancies lead to the same step. So they do before any sweep
    has met the second payment; a resolved one is not settled again.
    """
    town.configure(text=LINKED)
    first, second = (
        town.stripe.create_payment(
            1250, "eur", metadata={"order_id": "SO-1"}, at=HOUR_AGO + timedelta(minutes=minutes)
        ).id
        for minutes in (0, 2)
    )
    for intent in (first, second):
        town.stripe.succeed(intent, at=HOUR_AGO + timedelta(minutes=3))
    town.shop.insert(key=1, payment_intent=first, status="paid", order="SO-1")
    said = f"Order SO-1 was paid twice, 12.50 EUR each time: by {first} (row 1) and by {second} (no row)."

    before = town.run("explain", "SO-1")
    assert said in before.out
    assert f"reconciler sweep --record --payment-intent {second}" in before.out
    assert "both sides agree" not in before.out.lower()

    town.run("sweep", "--record")
    numbers = dict(town.ask("SELECT kind, id FROM reconciler.discrepancies WHERE state = 'open'"))
    assert sorted(numbers) == ["duplicate_payment", "missing_locally"]
    listed = " ".join(map(str, sorted(numbers.values())))
    by_number = [("--discrepancy", str(number)) for number in numbers.values()]
    for name in (("SO-1",), ("1",), (first,), (second,), *by_number):
        answer = town.run("explain", *name)
        assert said in answer.out, name
        assert f"\n  reconciler resolve {listed} --note TEXT\n" in answer.out, name
        assert "create its row" not in answer.out
    found = town.run("explain", "1", "--json").json
    assert [one["payment_intent"] for one in found["order"]["other_payment_intents"]] == [second]
    assert sorted(one["id"] for one in found["discrepancies"]) == sorted(numbers.values())

    town.run("resolve", str(numbers["duplicate_payment"]), "--note", "refunded")
    left = town.run("explain", second).out
    assert f"reconciler resolve {numbers['missing_locally']} --note TEXT" in left
    town.run("resolve", str(numbers["missing_locally"]), "--note", "refunded")
    for name in ("SO-1", second):
        settled = town.run("explain", name).out
        assert "What to do next: Nothing: " in settled
        assert said in settled
