"""The column holds Checkout Sessions, charges, or ids of other gateways until a webhook replaces them, or for good."""

from __future__ import annotations

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED, PaymentShop
from tests.acceptance.payments.stripe_objects import (
    DAY,
    HOUR,
    checkout_session,
    event,
    payment_intent,
)
from tests.some_quick import some_quick

SESSIONS = "/v1/checkout/sessions"


def bought(shop: PaymentShop, key: int, status: str = "succeeded", local: str = "pending") -> None:
    """A row that holds a Checkout Session, the session, and its PaymentIntent."""
    # a bank debit, so that one in processing is not overdue
    method = "sepa_debit" if status == "processing" else "card"
    shop.stripe.serve(
        payment_intent(f"pi_{key}", status, order=f"o-{key}", age=DAY / 2, method=method)
    )
    shop.stripe.serve(checkout_session(f"cs_test_{key}", f"pi_{key}", order=f"o-{key}"))
    shop.row(key, f"cs_test_{key}", local, order=f"o-{key}")


@some_quick("kind", ["due", "window", "all"], quick=(2,))
def test_a_session_is_read_once_and_its_payment_decides(
    open_shop: OpenShop, stripe: ExactStripe, kind: str
) -> None:
    """Each row is joined to its session's PaymentIntent by one read, corrected, and keeps the id it holds."""
    shop = open_shop()
    for key in range(1, 13):
        bought(shop, key)
    bought(shop, 13, "processing")
    bought(shop, 14, "requires_capture")
    bought(shop, 15, "succeeded", "paid")
    for key in (20, 21, 22):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", "paid")
    before = shop.rows()
    for _ in range(3):
        shop.sweep("--kind", kind)
    assert shop.statuses() == {
        **dict.fromkeys(range(1, 13), "paid"),
        13: "processing",
        14: "authorized",
        **dict.fromkeys((15, 20, 21, 22), "paid"),
    }
    assert {key: row.intent for key, row in shop.rows().items()} == {
        key: row.intent for key, row in before.items()
    }
    assert {intent for _, intent, _, _ in shop.outbox()} == {f"pi_{key}" for key in range(1, 15)}
    assert len(shop.outbox()) == 14
    assert shop.open() == []
    assert len(stripe.asked(SESSIONS)) <= 15
    assert [one.path for one in stripe.asked("/v1/payment_intents/cs_")] == []
    shop.assert_sound()


@some_quick("served", [True, False], ids=["sessions", "no sessions"], quick=1)
def test_the_metadata_joins_a_session_without_a_read(
    open_shop: OpenShop, stripe: ExactStripe, *, served: bool
) -> None:
    """If one row and one PaymentIntent name an order, they belong together, whether or not the session is read."""
    shop = open_shop(**LINKED)
    for key in range(1, 13):
        bought(shop, key)
        if not served:
            stripe.remove(f"cs_test_{key}")
    for key in (20, 21, 22):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", "paid")
    shop.sweep("--kind", "due")
    shop.sweep()
    assert set(shop.statuses().values()) == {"paid"}
    assert shop.rows()[1].intent == "cs_test_1"
    assert shop.open() == []


def test_the_session_decides_against_the_metadata(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An order is not released because of the one PaymentIntent that names it, if the session has another that paid."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_named", "canceled", order="o-1", age=DAY / 2))
    stripe.serve(payment_intent("pi_real", age=DAY / 2))
    stripe.serve(checkout_session("cs_test_1", "pi_real"))
    shop.row(1, "cs_test_1", order="o-1")
    for _ in range(2):
        shop.sweep()
    assert shop.statuses()[1] != "canceled"
    assert shop.statuses()[1] != "failed"


def test_a_finding_is_about_the_payment(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """What disagrees is named by the PaymentIntent's id and the row's key, and may be accepted like any other."""
    shop = open_shop()
    bought(shop, 1, "canceled", "paid")
    bought(shop, 2, "succeeded", "canceled")
    bought(shop, 3)
    stripe.change("ch_3", amount_refunded=1250, refunded=True)
    shop.sweep("--kind", "window")
    found = {one["payment"]: (one["kind"], one["payment_intent"]) for one in shop.open()}
    assert found == {
        "1": ("contradicted", "pi_1"),
        "2": ("paid_after_cancel", "pi_2"),
        "3": ("refund_drift", "pi_3"),
    }
    ident = next(one["id"] for one in shop.open() if one["payment"] == "2")
    assert shop.accept(ident).code == 0
    assert shop.rows()[2].intent == "cs_test_2"
    assert shop.rows()[2].status == "paid"
    shop.assert_sound()


def test_an_event_reaches_the_row(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """After the pairing is known, an event about the PaymentIntent corrects the row that holds the session."""
    shop = open_shop()
    bought(shop, 1, "processing", "processing")
    shop.sweep()
    paid = payment_intent("pi_1", age=DAY / 2)
    stripe.serve(paid, event("payment_intent.succeeded", paid, age=-HOUR / 2, pending=1))
    stripe.offset = HOUR
    shop.sweep("--kind", "tail")
    assert shop.statuses() == {1: "paid"}
    assert len(stripe.asked(SESSIONS)) == 1


def test_no_payment_yet(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A session without a PaymentIntent is no finding, and is read again when it expires, not at every sweep."""
    shop = open_shop()
    stripe.serve(
        checkout_session(
            "cs_test_1", None, status="open", payment_status="unpaid", expires_in=3 * HOUR
        )
    )
    shop.row(1, "cs_test_1", age=HOUR)
    stripe.serve(payment_intent("pi_20"))
    shop.row(20, "pi_20", "paid")
    before = shop.rows()
    for _ in range(3):
        shop.sweep()
        shop.assert_untouched(before)
    assert shop.open() == []
    assert len(stripe.asked(SESSIONS)) == 1
    stripe.serve(payment_intent("pi_1", age=HOUR / 2), checkout_session("cs_test_1", "pi_1"))
    stripe.offset = 4 * HOUR
    shop.sweep("--kind", "due")
    assert shop.statuses()[1] == "paid"
    assert len(stripe.asked(SESSIONS)) == 2


def test_an_expired_session_says_nothing_about_money(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """No row is released because its session expired, and the session is not asked for again and again."""
    shop = open_shop(**LINKED)
    for key, age in ((1, 2 * DAY), (2, 20 * DAY)):
        stripe.serve(
            checkout_session(
                f"cs_test_{key}", None, status="expired", payment_status="unpaid", age=age
            )
        )
        shop.row(key, f"cs_test_{key}", order=f"o-{key}", age=age)
    before = shop.rows()
    for _ in range(4):
        shop.sweep("--kind", "due")
        shop.assert_untouched(before)
        stripe.offset += HOUR
    assert shop.open() == []
    assert len(stripe.asked(SESSIONS)) <= 4


def test_sessions_without_a_payment_are_counted(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Setups, subscriptions and free orders have no PaymentIntent: counted, no finding, nothing written."""
    shop = open_shop()
    stripe.serve(
        checkout_session(
            "cs_test_1",
            None,
            mode="setup",
            setup_intent="seti_1",
            payment_status="no_payment_required",
        ),
        checkout_session("cs_test_2", None, mode="subscription", subscription="sub_1"),
        checkout_session("cs_test_3", None, payment_status="no_payment_required"),
        payment_intent("pi_20"),
    )
    for key, local in ((1, "pending"), (2, "paid"), (3, "paid")):
        shop.row(key, f"cs_test_{key}", local)
    shop.row(20, "pi_20", "paid")
    before = shop.rows()
    for kind in ("due", "window", "all"):
        shop.sweep("--kind", kind)
        shop.assert_untouched(before)
    assert shop.open() == []


def test_the_pairing_ends_with_the_column(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """When a late webhook replaces the session by a PaymentIntent's id, that id counts and the session does not."""
    shop = open_shop()
    bought(shop, 1, "requires_action")
    bought(shop, 2, "requires_action")
    shop.sweep()
    shop.execute("UPDATE payments SET intent = 'pi_1' WHERE id = 1")
    shop.execute("UPDATE payments SET intent = 'pi_new' WHERE id = 2")
    stripe.serve(payment_intent("pi_1", age=DAY / 2), payment_intent("pi_2", age=DAY / 2))
    stripe.serve(payment_intent("pi_new", "processing", age=HOUR / 2, method="sepa_debit"))
    stripe.offset = HOUR / 2
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "processing"}
    assert [(one["kind"], one["payment_intent"]) for one in shop.open()] == [
        ("missing_locally", "pi_2")
    ]


def test_the_column_changes_while_the_sweep_decides(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """A row whose session is replaced between reading and writing waits."""
    shop = open_shop()
    bought(shop, 1)
    stripe.before("/v1/events", lambda: shop.execute("UPDATE payments SET intent = 'cs_test_9'"))
    stripe.serve(checkout_session("cs_test_9", None, status="open", payment_status="unpaid"))
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "pending"}
    assert shop.outbox() == []
