"""A person who asks for a payment need not know to which account it belongs."""

from __future__ import annotations

import re

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import ORDERS
from tests.acceptance.payments.stripe_objects import payment_intent


def test_several_accounts(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Every account is searched: an order of two is listed with both, and a named account hides no other one's row."""
    shop = open_shop(account="account", **ORDERS)
    shop.configure_accounts({"name": "eu"}, {"name": "us"})
    for key, account in ((1, "eu"), (2, "us"), (3, "us"), (4, "ghost")):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", account=account, order_id="977" if key < 3 else str(key))
    both = shop.run("explain", "977")
    assert both.code == 1
    assert re.findall(r"^order +(\w+) +(\d)", both.out, re.MULTILINE) == [("eu", "1"), ("us", "2")]
    assert "reconciler explain 977 --account NAME" in both.out
    assert stripe.asked("/v1/payment_intents/pi_1") == []
    one = shop.run("explain", "977", "--account", "us")
    assert one.code == 0
    assert "pi_2 of account us" in one.out
    assert "--account us" in one.out
    for name in ("pi_3", "3"):
        other = shop.run("explain", name, "--account", "eu")
        assert "pi_3 of account us" in other.out
        assert "no row" not in other.out
    ghost = shop.run("explain", "4")
    assert "ghost (not in [[accounts]])" in ghost.out


def test_a_sweep_of_one_payment_finds_its_account(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Only the account that has the row is swept; a payment that is known nowhere is looked for in every account."""
    shop = open_shop(account="account")
    shop.configure_accounts({"name": "eu"}, {"name": "us"})
    stripe.serve(payment_intent("pi_1"), payment_intent("pi_2"))
    shop.row(1, "pi_1", account="us")
    one = shop.run("sweep", "--payment-intent", "pi_1")
    assert "account us" in one.out
    assert "account eu" not in one.out
    both = shop.run("sweep", "--payment-intent", "pi_2")
    assert "account us" in both.out
    assert "account eu" in both.out
