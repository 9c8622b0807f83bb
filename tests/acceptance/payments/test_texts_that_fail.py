"""An SQL text of the mapping fails for one row, or gives another answer while a sweep runs: never a wrong write."""

from __future__ import annotations

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import ORDERS, PaymentShop
from tests.acceptance.payments.stripe_objects import payment_intent
from tests.some_quick import some_quick

TEXTS = {
    "a cast": {"amount": {"sql": "t.note::int"}},
    "a subselect with two rows": {
        "currency": {"sql": "(SELECT c.code FROM public.codes c WHERE c.name = t.note)"}
    },
    "a condition": {"where": "t.note::int > 0"},
    "a condition of another column": {"where": "1 / (t.note::int - 7) IS NOT NULL"},
    "an order": {"order": {"sql": "CASE WHEN t.note::int > 0 THEN t.order_id END"}},
}
WRONG = {"a subselect with two rows": "twice", "a condition of another column": "7"}


def shop_with_a_wrong_row(open_shop: OpenShop, case: str) -> PaymentShop:
    """Ten rows whose webhook was lost; a text fails for the sixth."""
    shop = open_shop(
        columns="note text",
        after="CREATE TABLE public.codes (name text, code text);"
        "INSERT INTO public.codes VALUES ('1250', 'eur'), ('twice', 'eur'), ('twice', 'usd')",
        **{**ORDERS, **TEXTS[case]},
    )
    for key in range(1, 11):
        note = WRONG.get(case, "Ana's") if key == 6 else "1250"
        shop.row(key, f"pi_{key}", order=f"o{key}", note=note)
        shop.stripe.serve(payment_intent(f"pi_{key}"))
    return shop


@some_quick(
    ("case", "kind"),
    [*((case, "all") for case in TEXTS), ("a cast", "due"), ("a condition", "window")],
    quick=(0, 2, 6),
)
def test_one_row_is_a_finding_and_the_others_are_corrected(
    open_shop: OpenShop, case: str, kind: str
) -> None:
    """The finding names the key of the configuration, the row stays as it is, and a second sweep finds nothing new."""
    shop = shop_with_a_wrong_row(open_shop, case)
    shop.sweep("--kind", kind)
    assert {key for key, status in shop.statuses().items() if status == "paid"} == {
        *range(1, 11)
    } - {6}
    (found,) = shop.open()
    part = next(iter(TEXTS[case]))
    assert (found["kind"], found["reason"]) == ("unknown_status", "not_readable")
    assert found["payment_intent"] == "pi_6"
    assert found["evidence"]["text"] == f"payments.{part}"
    assert "Ana" not in "".join(shop.outputs)
    before, corrected = shop.rows(), shop.outbox()
    shop.sweep("--kind", kind)
    assert (shop.rows(), shop.outbox()) == (before, corrected)
    assert [one["id"] for one in shop.open()] == [found["id"]]

    shop.execute("UPDATE payments SET note = '1250' WHERE id = 6")
    shop.sweep("--kind", kind)
    assert shop.statuses()[6] == "paid"
    assert shop.open() == []
    shop.assert_sound()


def test_a_canceled_row_is_not_released_while_another_order_is_not_readable(
    open_shop: OpenShop,
) -> None:
    """The row whose order cannot be read may be a paid row of any order."""
    shop = shop_with_a_wrong_row(open_shop, "an order")
    shop.stripe.serve(payment_intent("pi_11", "canceled"))
    shop.row(11, "pi_11", order="o11", note="1250")
    shop.sweep()
    assert shop.statuses()[11] == "pending"
    reasons = {one["payment_intent"]: one["reason"] for one in shop.open()}
    assert reasons == {"pi_6": "not_readable", "pi_11": "order_paid"}


def test_a_person_cannot_accept_for_a_row_that_is_not_readable(open_shop: OpenShop) -> None:
    """What the row says now is not known, so nothing is written to it."""
    shop = shop_with_a_wrong_row(open_shop, "a cast")
    shop.sweep()
    (found,) = shop.open()
    before = shop.rows()
    for _ in range(2):
        answer = shop.run("resolve", str(found["id"]), "--accept", "stripe", "--amount-differs")
        assert answer.code != 0
        assert shop.rows() == before


def test_a_set_text_that_fails_is_a_refusal(open_shop: OpenShop) -> None:
    """What is to be written cannot be evaluated for one row: that row is refused, and the others are corrected."""
    shop = open_shop(
        columns="note text, paid integer",
        set={"succeeded": {"paid": {"sql": "t.note::int"}}},
    )
    for key in range(1, 4):
        shop.row(key, f"pi_{key}", note="Ana's" if key == 2 else "7")
        shop.stripe.serve(payment_intent(f"pi_{key}"))
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "pending", 3: "paid"}
    (found,) = shop.open()
    assert (found["kind"], found["reason"]) == ("missed_outcome", "refused_by_table")


LEAVING = {
    "before the events are read": "UPDATE payments SET kind = 'b2b' WHERE id = 1",
    "deleted": "DELETE FROM payments WHERE id = 1",
}


@pytest.mark.parametrize("change", LEAVING)
def test_a_row_that_leaves_the_mapping_while_a_sweep_runs_waits(
    open_shop: OpenShop, stripe: ExactStripe, change: str
) -> None:
    """It was read as a payment with Stripe and is none when it is written: it stays as it is, and nothing is flagged."""
    shop = open_shop(columns="kind text DEFAULT 'shop'", where="t.kind = 'shop'")
    for key in (1, 2):
        shop.row(key, f"pi_{key}")
        stripe.serve(payment_intent(f"pi_{key}"))
    stripe.before("/v1/events", lambda: shop.execute(LEAVING[change]))
    shop.sweep("--kind", "due")
    assert {key: status for key, status in shop.statuses().items() if key == 2} == {2: "paid"}
    assert shop.statuses().get(1) in (None, "pending")
    assert [key for key, *_ in shop.outbox()] == ["2"]
    assert [one for one in shop.open() if one["reason"] == "refused_by_table"] == []


def test_set_may_not_take_a_row_out_of_the_mapping(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """After a write by [payments.set] the row must still satisfy the condition; else it is taken back and is a finding."""
    shop = open_shop(
        columns="kind text DEFAULT 'shop'",
        where="t.kind = 'shop'",
        set={"succeeded": {"kind": "done"}},
    )
    shop.row(1, "pi_1")
    stripe.serve(payment_intent("pi_1"))
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "pending"}
    (found,) = shop.open()
    assert (found["kind"], found["reason"]) == ("missed_outcome", "not_kept_by_table")
    assert "[payments] where" in found["evidence"]["message"]


def test_a_condition_that_changes_with_another_table(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The condition asks another table, which changes between reading and writing: the row stays as it is."""
    shop = open_shop(
        after="CREATE TABLE public.shops (id int, is_open boolean); INSERT INTO public.shops VALUES (1, true)",
        where="EXISTS (SELECT FROM public.shops s WHERE s.is_open)",
    )
    shop.row(1, "pi_1")
    stripe.serve(payment_intent("pi_1"))
    stripe.before("/v1/events", lambda: shop.execute("UPDATE public.shops SET is_open = false"))
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "pending"}
    assert shop.outbox() == []
