"""A shop stored the client secret in the mapped column: the id in front is used, and the secret is never kept."""

from __future__ import annotations

import re
from typing import Any

import pytest
from psycopg import sql

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED, PaymentShop, Row
from tests.acceptance.payments.stripe_objects import DAY, HOUR, event, payment_intent

SECRET = "_secret_AbCdEfGhIjKlMnOpQrStUvWx"
WHOLE_SECRET = re.compile(r"_secret_\w{4}")
COMMANDS = (
    ("sweep",),
    ("sweep", "--format", "csv"),
    ("sweep", "--json", "--record"),
    ("plan",),
    ("status", "--json"),
    ("status",),
    ("doctor",),
    ("discrepancies",),
    ("discrepancies", "--json"),
    ("discrepancies", "--format", "csv"),
    ("export",),
    ("verify", "--json"),
)


def stored(shop: PaymentShop, key: int, status: str, at_stripe: str, **more: Any) -> None:
    """A row that holds a client secret, and its PaymentIntent."""
    ident = f"pi_3Nxyz{key}"
    shop.stripe.serve(payment_intent(ident, at_stripe, **more.pop("intent", {})))
    shop.row(key, ident + SECRET, status, **more)


def assert_no_secret(shop: PaymentShop) -> None:
    """Nothing that was stored, shown or sent holds a client secret."""
    assert WHOLE_SECRET.search(shop.stored_text()) is None
    assert [text for text in shop.outputs if WHOLE_SECRET.search(text)] == []
    assert [one.target for one in shop.stripe.requests if "_secret" in one.target] == []


@pytest.mark.parametrize("kind", ["due", "window", "all"])
def test_the_id_in_front_is_read_and_the_column_stays(open_shop: OpenShop, kind: str) -> None:
    """Such rows are corrected like others; the column, by which the late webhook finds its row, is not touched."""
    shop = open_shop(**LINKED)
    for key, (status, at_stripe) in enumerate(
        [("pending", "succeeded"), ("pending", "requires_capture"), ("processing", "succeeded")], 1
    ):
        stored(shop, key, status, at_stripe, intent={"age": DAY / 2})
    stored(shop, 4, "pending", "canceled", intent={"order": "o-4"}, order="o-4")
    stored(shop, 5, "paid", "succeeded")
    shop.stripe.serve(payment_intent("pi_plain"))
    shop.row(6, "pi_plain")
    before = shop.rows()
    shop.sweep("--kind", kind)
    assert shop.statuses() == {
        1: "paid",
        2: "authorized",
        3: "paid",
        4: "canceled",
        5: "paid",
        6: "paid",
    }
    assert {key: row.intent for key, row in shop.rows().items()} == {
        key: row.intent for key, row in before.items()
    }
    assert [intent for _, intent, _, _ in shop.outbox()] == [
        "pi_3Nxyz1",
        "pi_3Nxyz2",
        "pi_3Nxyz3",
        "pi_3Nxyz4",
        "pi_plain",
    ]
    assert shop.open() == []
    assert_no_secret(shop)
    shop.assert_sound()


def test_no_command_shows_or_stores_it(open_shop: OpenShop) -> None:
    """Findings, reports, exports, the doctor and the log name the id; the secret is in none of them."""
    shop = open_shop()
    stored(shop, 1, "paid", "canceled")
    stored(shop, 2, "pending", "succeeded", intent={"amount": 99})
    stored(shop, 3, "odd", "succeeded")
    stored(shop, 4, "canceled", "succeeded")
    stored(shop, 5, "pending", "succeeded", intent={"charge": {"amount_refunded": 1250}})
    shop.row(6, f"pi_unknown{SECRET}", "paid")
    shop.sweep()
    for command in COMMANDS:
        assert shop.run(*command).code in (0, 1), command
    for key in (1, 2, 3, 4, 5):
        assert shop.run("explain", f"pi_3Nxyz{key}").code == 0
        shop.run("explain", f"pi_3Nxyz{key}", "--json")
    assert {one["payment_intent"] for one in shop.open()} == {
        *(f"pi_3Nxyz{key}" for key in (1, 2, 3, 4, 5)),
        "pi_unknown",
    }
    assert_no_secret(shop)


def test_a_secret_on_the_command_line_is_refused(open_shop: OpenShop) -> None:
    """A secret on the command line is refused, and not repeated."""
    shop = open_shop()
    stored(shop, 1, "pending", "succeeded")
    assert shop.run("explain", f"pi_3Nxyz1{SECRET}").code == 64
    assert shop.run("sweep", "--payment-intent", f"pi_3Nxyz1{SECRET}", "--apply").code == 64
    assert shop.statuses() == {1: "pending"}
    assert_no_secret(shop)


def test_the_intent_is_held(open_shop: OpenShop) -> None:
    """A paid intent whose secret a row holds is not missing, and is no other row's payment."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    stored(shop, 1, "paid", "succeeded", intent={"order": "o-1"}, order="o-1")
    shop.stripe.serve(payment_intent("pi_first", "canceled", order="o-1", age=DAY + HOUR))
    shop.row(2, "pi_first", order="o-1")
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "pending"}
    assert shop.reasons() == {"2": [("missed_outcome", "order_paid")]}
    assert_no_secret(shop)


def test_id_and_secret_in_two_rows_are_one_intent(open_shop: OpenShop) -> None:
    """A row with the id and a row with its secret hold the same PaymentIntent: an attempt and its history."""
    shop = open_shop()
    stored(shop, 1, "pending", "succeeded")
    shop.row(2, "pi_3Nxyz1", "failed")
    stored(shop, 3, "pending", "succeeded")
    shop.row(4, "pi_3Nxyz3", "pending")
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "failed", 3: "pending", 4: "pending"}
    assert shop.flags() == {"3 4": [("ambiguous_row", "critical", None)]}
    assert_no_secret(shop)


def test_the_event_finds_the_row(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An event names the id, and the row that holds the secret is corrected by a tail sweep."""
    shop = open_shop()
    stored(shop, 1, "pending", "succeeded")
    paid = payment_intent("pi_3Nxyz1")
    stripe.serve(event("payment_intent.succeeded", paid, age=HOUR / 12, pending=1))
    shop.sweep("--kind", "tail")
    assert shop.statuses() == {1: "paid"}
    assert_no_secret(shop)


def test_accept_and_revert(open_shop: OpenShop) -> None:
    """A person's acceptance, and what takes a sweep back, keep the column and no secret."""
    shop = open_shop()
    stored(shop, 1, "canceled", "succeeded")
    stored(shop, 2, "pending", "succeeded")
    report = shop.sweep("--kind", "window")
    assert shop.accept(shop.only()["id"]).code == 0
    assert shop.run("revert", str(report["sweep"])).code == 0
    assert shop.rows() == {
        1: Row(f"pi_3Nxyz1{SECRET}", "paid", 1250, "eur"),
        2: Row(f"pi_3Nxyz2{SECRET}", "pending", 1250, "eur"),
    }
    assert_no_secret(shop)
    shop.assert_sound()


def test_the_webhook_writes_the_id_meanwhile(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A column that comes to hold the id between reading and writing is another column: the row waits."""
    shop = open_shop()
    stored(shop, 1, "pending", "succeeded")
    stripe.before("/v1/events", lambda: shop.execute("UPDATE payments SET intent = 'pi_3Nxyz1'"))
    shop.sweep("--kind", "due")
    assert shop.rows() == {1: Row("pi_3Nxyz1", "pending", 1250, "eur")}
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid"}
    assert_no_secret(shop)


def test_report_and_doctor_warn(open_shop: OpenShop) -> None:
    """Both say that client secrets stand in the column, with the column's name."""
    shop = open_shop()
    stored(shop, 1, "paid", "succeeded")
    stored(shop, 2, "paid", "succeeded")
    assert "client secret" in " ".join(shop.sweep("--kind", "window")["notes"])
    doctor = shop.run("doctor").out
    assert "client secret" in doctor
    assert "intent" in doctor
    assert_no_secret(shop)
    # each proposed index can be made as it is shown
    proposed = re.findall("CREATE INDEX .*;", doctor)
    assert "split_part" in proposed[-1]
    for statement in proposed:
        shop.execute(sql.SQL(statement.replace("CONCURRENTLY ", "")))
