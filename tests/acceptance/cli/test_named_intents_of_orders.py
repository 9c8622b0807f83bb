"""A row without a PaymentIntent whose order was not paid: what a sweep of named intents does is what a whole sweep shows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.acceptance.cli.conftest import CONFIGURATION, HOUR_AGO, Town

LINKED = CONFIGURATION.replace(
    'order = "order_id"', 'order = "order_id"\nlink_metadata = "order_id"'
)


@pytest.fixture
def canceled(town: Town) -> str:
    """A payment that Stripe has canceled, and its row, which holds no PaymentIntent yet."""
    town.configure(text=LINKED)
    town.pay(9, "paid")
    town.shop.insert(key=1, payment_intent=None, status="pending", order="order 1")
    intent = attempt(town, "order 1", minutes=2)
    town.stripe.cancel(intent, at=HOUR_AGO)
    return intent


def attempt(town: Town, order: str, *, minutes: int) -> str:
    """An attempt on an order, so many minutes before an hour ago."""
    at = HOUR_AGO - timedelta(minutes=minutes)
    return town.stripe.create_payment(1250, "eur", metadata={"order_id": order}, at=at).id


def test_a_reviewed_preview_of_a_canceled_order_is_applied(
    town: Town, canceled: str, tmp_path: Path
) -> None:
    """--only writes the line, as the preview showed it; and the sweep after it is quiet."""
    file = tmp_path / "preview.csv"
    file.write_text(town.run("sweep", "--format", "csv").out, encoding="utf-8")
    assert canceled in file.read_text(encoding="utf-8")
    answer = town.run("sweep", "--apply", "--only", str(file))
    assert answer.code == 0, answer.out
    assert town.shop.rows()["1"]["status"] == "canceled"
    assert town.run("sweep", "--json").json["would_correct"] == 0


def test_a_named_intent_is_corrected_and_taken_back_and_corrected_again(
    town: Town, canceled: str
) -> None:
    """--payment-intent does what explain says that it does, and --again what revert has undone."""
    assert explained(town, canceled) == "canceled"
    answer = town.run("sweep", "--apply", "--payment-intent", canceled, "--json")
    assert answer.json["corrected"] == 1
    number = answer.json["sweep"]
    assert town.run("revert", str(number)).code == 0
    assert town.shop.rows()["1"]["status"] == "pending"
    again = town.run("sweep", "--apply", "--again", str(number), "--json")
    assert again.json["corrected"] == 1
    assert town.shop.rows()["1"]["status"] == "canceled"


def test_a_newer_attempt_of_the_order_keeps_the_row(town: Town, canceled: str) -> None:
    """The order is looked for at Stripe: a newer attempt, which may still be paid, keeps the older from being the row's."""
    attempt(town, "order 1", minutes=1)
    assert (
        town.run("sweep", "--apply", "--payment-intent", canceled, "--json").json["corrected"] == 0
    )
    assert town.shop.rows()["1"]["status"] == "pending"


def test_a_tail_does_not_close_what_it_cannot_decide(town: Town, canceled: str) -> None:
    """A sweep that does not know the whole order leaves its finding open, and says that it waits."""
    town.run("sweep", "--kind", "window", "--record")
    answer = town.run("sweep", "--kind", "tail", "--since", "1d", "--record", "--json")
    assert answer.json["waiting"] == 1
    assert town.ask("SELECT state FROM reconciler.discrepancies") == [("open",)]
    assert town.run("sweep", "--apply", "--json").json["corrected"] == 1


def explained(town: Town, intent: str) -> object:
    found = town.run("explain", intent, "--json").json
    return found["decision"]["to_status"]
