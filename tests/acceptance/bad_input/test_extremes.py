"""Extreme values: times in the far future and past, huge amounts, unusual characters."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from reconciler.sandbox import RequestFault
from reconciler.sandbox import SandboxAnswer as Wire
from tests.acceptance.installation import LIST, NOW, RETRIEVE, Installation
from tests.some_quick import some_quick

LAST_SECOND = 253402300799
"""The end of the year 9999."""


def answering(installation: Installation, intent: str, **changes: object) -> None:
    """Let Stripe answer with these values whenever this intent is retrieved."""
    body = {
        "id": intent,
        "object": "payment_intent",
        "amount": 1250,
        "amount_capturable": 0,
        "amount_received": 1250,
        "currency": "eur",
        "created": int((NOW - timedelta(days=2)).timestamp()),
        "livemode": False,
        "status": "succeeded",
        "latest_charge": None,
        "metadata": {},
        **changes,
    }
    installation.stripe.faults.script(
        RequestFault.ANSWER,
        times=100,
        endpoint=RETRIEVE,
        target=intent,
        answer=Wire(200, json.dumps(body).encode()),
    )


EXTREME_VALUES: list[dict[str, object]] = [
    {"created": LAST_SECOND},
    {"created": 0},
    {"created": LAST_SECOND, "status": "processing", "amount_received": 0},
    {
        "status": "requires_action",
        "amount_received": 0,
        "next_action": {
            "type": "oxxo_display_details",
            "oxxo_display_details": {"expires_after": LAST_SECOND},
        },
    },
    {"canceled_at": LAST_SECOND, "status": "canceled", "amount_received": 0},
    {"amount": 2**63 - 1, "amount_received": 2**63 - 1},
    {"currency": ""},
    {"currency": "x" * 300},
    {"status": ""},
    {"status": b"\\u0000".decode("unicode_escape")},
    {"status": "requires_\u202etfig", "amount_received": 0},
    {"last_payment_error": {"code": "\x00"}, "status": "requires_payment_method"},
    {"metadata": {"order_id": "\x00"}},
]


@some_quick("local", ["pending", "processing", "authorized", "paid"], quick=(0, 3))
def test_extreme_values_do_not_affect_other_payments(
    installation: Installation, local: str
) -> None:
    """A payment with an extreme value is flagged or not examined; every other payment is corrected."""
    named = []
    for key, changes in enumerate(EXTREME_VALUES):
        intent = installation.add_payment(key, local)
        named += ["--payment-intent", intent]
        answering(installation, intent, **changes)
    for key in range(20, 32):
        named += ["--payment-intent", installation.add_payment(key)]
    for writing in ("--record", "--apply"):
        answer = installation.sweep(*named, writing)
        assert answer.code in (0, 75), answer.err
        assert answer.json["stopped"] is None
    statuses = installation.statuses()
    assert {statuses[str(key)] for key in range(20, 32)} == {"paid"}
    installation.check_ledger()
    assert installation.run("discrepancies", "--json").code == 0
    assert installation.run("export").code == 0


def test_extreme_values_in_a_list(installation: Installation) -> None:
    """A payment with an extreme value on a page of the list does not affect the others of the page."""
    intents = [installation.add_payment(key) for key in range(5)]
    extreme = {
        "id": intents[0],
        "object": "payment_intent",
        "amount": 1250,
        "amount_capturable": 0,
        "amount_received": 0,
        "currency": "eur",
        "created": LAST_SECOND,
        "livemode": False,
        "status": "processing",
        "latest_charge": None,
        "metadata": {},
    }
    page = {"object": "list", "has_more": False, "data": [extreme]}
    installation.stripe.faults.script(
        RequestFault.ANSWER, times=100, endpoint=LIST, answer=Wire(200, json.dumps(page).encode())
    )
    answer = installation.sweep("--kind", "window", "--apply")
    assert answer.code in (0, 75)
    assert answer.json["stopped"] is None
    assert list(installation.statuses().values())[1:] == ["paid"] * 4


@some_quick(
    "created",
    [
        "9999-12-29",
        "9999-12-31",
        "infinity",
        "-infinity",
        "0001-01-01",
        "0001-01-03",
        "4713-01-01 BC",
    ],
    quick=(2, 4),
)
def test_rows_of_the_far_future_and_past(installation: Installation, created: str) -> None:
    """A placeholder time in the column of creation ends no sweep, for a row of any status."""
    for key, (status, becomes) in enumerate(
        (("pending", "succeed"), ("pending", None), ("processing", "process"), ("paid", "succeed"))
    ):
        installation.add_payment(key, status, becomes)
    installation.execute(f"UPDATE public.payments SET created_at = '{created}'")
    installation.configure(payments={"link_metadata": "order_id"})
    for kind in ("due", "window", "all"):
        answer = installation.sweep("--kind", kind)
        assert answer.code == 0, answer.err
    answer = installation.sweep("--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 1)


@pytest.mark.parametrize("option", ["--since", "--until"])
@some_quick("span", ["999999d", "999999999w", "0001-01-01", "9999-12-31"], quick=2)
def test_a_range_beyond_the_calendar(installation: Installation, option: str, span: str) -> None:
    """A time or duration at the limits of the calendar is a wide range or a usage error, never a crash."""
    installation.add_payment(1)
    for kind in ("due", "window", "all"):
        answer = installation.run("sweep", "--kind", kind, option, span)
        assert answer.code in (0, 64), answer.err


@pytest.mark.parametrize(
    "change",
    [
        {"sweep": {"horizon": "999999d"}},
        {"corrections": {"grace": "999999d"}},
        {"sweep": {"horizon": "142857142w"}},
        {"corrections": {"per_hour": 10**30}},
    ],
    ids=str,
)
def test_a_duration_beyond_the_calendar(
    installation: Installation, change: dict[str, dict[str, object]]
) -> None:
    """A duration or number that is too large is refused or has no effect; it is never a crash."""
    installation.add_payment(1)
    installation.configure(**change)
    for kind in ("due", "window"):
        answer = installation.run("sweep", "--kind", kind, "--apply")
        assert answer.code in (0, 78), answer.err


@some_quick("amount", [-1250, 0, 2**63 - 1, -(2**63)], quick=2)
def test_extreme_amounts(installation: Installation, amount: int) -> None:
    """A row whose amount cannot be a price is a mismatch; its money at stake is not negative and can be stored."""
    installation.add_payment(1)
    installation.add_payment(2)
    unknown = installation.add_unknown_payment(3)
    installation.execute(f"UPDATE public.payments SET amount = {amount} WHERE id IN (1, 3)")
    answer = installation.sweep("--kind", "due", "--apply")
    assert answer.code == 0, answer.out
    assert answer.json["discrepancies"] == {
        "amount_mismatch": 1,
        "missed_outcome": 1,
        "missing_at_stripe": 1,
    }
    assert all(stake["amount"] >= 0 for stake in answer.json["at_stake"])
    stored = installation.query_dicts("SELECT stake_amount FROM reconciler.discrepancies")
    assert all(row["stake_amount"] >= 0 for row in stored)
    assert unknown in str(installation.run("discrepancies", "--json").json)
    installation.check_ledger()
