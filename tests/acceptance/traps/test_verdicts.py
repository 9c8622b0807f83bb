"""What Reconciler may conclude about money, and what it may not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from reconciler.sandbox import RequestFault, SandboxAnswer
from tests.acceptance.installation import EVENTS, LIST, NOW, RETRIEVE, TRIES, Installation

PAST_THE_HORIZON = timedelta(days=75)


def test_nothing_expires_without_reading_stripe(installation: Installation) -> None:
    """A row that has been open for months is settled by Stripe's outcome, never by its age."""
    paid = installation.add_payment(1, age=PAST_THE_HORIZON)
    installation.add_payment(2, becomes=None, age=PAST_THE_HORIZON)
    answer = installation.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["corrected"], answer.json["abandoned"]) == (0, 1, 1)
    assert installation.statuses() == {"1": "paid", "2": "pending"}
    (written,) = installation.query_dicts(
        "SELECT body FROM reconciler.ledger WHERE action = 'correction'"
    )
    assert written["body"]["payment_intent"] == paid


def test_nothing_expires_while_stripe_does_not_answer(installation: Installation) -> None:
    """Without an answer an old open row stays unchanged, and no discrepancy is recorded."""
    intent = installation.add_payment(1, age=PAST_THE_HORIZON)
    installation.stripe.faults.script(RequestFault.SERVER_ERROR, times=100, target=intent)
    answer = installation.sweep("--payment-intent", intent, "--apply")
    assert (answer.code, answer.json["complete"]) == (75, False)
    assert installation.statuses() == {"1": "pending"}
    assert installation.states_by_kind() == {}


def test_not_found_is_no_verdict(installation: Installation) -> None:
    """A 404 changes no row in any status: it is a discrepancy, critical if the row is paid."""
    installation.add_payment(1)
    statuses = ["pending", "failed", "processing", "authorized", "paid"]
    unknown = {
        installation.add_unknown_payment(key, status): status
        for key, status in enumerate(statuses, 2)
    }
    for writing in ("--record", "--apply"):
        assert installation.sweep("--kind", "window", writing).code == 0
        assert list(installation.statuses().values())[1:] == statuses

        found = installation.query_dicts(
            "SELECT * FROM reconciler.discrepancies WHERE kind = 'missing_at_stripe'"
        )
        assert {row["payment_intent"]: row["severity"] for row in found} == {
            ident: "critical" if status == "paid" else "warning"
            for ident, status in unknown.items()
        }


def test_a_404_closes_no_discrepancy_about_money(installation: Installation) -> None:
    """A discrepancy of a paid row stays open beside a later 404, because a 404 does not say that it is over."""
    installation.add_payment(1)
    intent = installation.add_payment(2, "paid", "cancel")
    installation.sweep("--kind", "window", "--apply")
    assert installation.states_by_kind()["contradicted"] == ["open"]

    body = {"error": {"code": "resource_missing", "message": "No such payment_intent", "type": "x"}}
    installation.stripe.faults.script(
        RequestFault.ANSWER,
        times=10,
        endpoint=RETRIEVE,
        target=intent,
        answer=SandboxAnswer(404, json.dumps(body).encode()),
    )
    installation.sweep("--payment-intent", intent, "--apply")
    kinds = installation.states_by_kind()
    assert kinds["missing_at_stripe"] == ["open"]
    assert installation.statuses()["2"] == "paid"

    installation.stripe.faults.clear()
    installation.sweep("--payment-intent", intent, "--apply")
    assert installation.states_by_kind()["contradicted"] == ["open"]


def test_a_404_that_is_not_stripes_says_nothing(installation: Installation) -> None:
    """A proxy's 404, or one for an unknown path, is no answer about the payment: not examined, exit 75, no discrepancy."""
    answers = [
        SandboxAnswer(404, b"<html>not here</html>", content_type="text/html"),
        SandboxAnswer(
            404, b'{"error": {"message": "Unrecognized request URL", "type": "invalid"}}'
        ),
        SandboxAnswer(404, b"{}"),
    ]
    named = []
    for key, stripe_answer in enumerate(answers):
        intent = installation.add_payment(key)
        named += ["--payment-intent", intent]
        installation.stripe.faults.script(
            RequestFault.ANSWER, times=20, target=intent, answer=stripe_answer
        )
    answer = installation.sweep(*named, "--apply")
    assert (answer.code, answer.json["unexamined"]) == (75, 3)
    assert installation.states_by_kind() == {}
    assert set(installation.statuses().values()) == {"pending"}


def test_a_payment_refunded_before_the_sweep_is_not_set_to_paid(installation: Installation) -> None:
    """A customer with a refund is not sent the goods: the pending row is flagged, never set to paid."""
    when = NOW - timedelta(days=1)
    installation.stripe.refund(installation.add_payment(1), at=when)
    installation.stripe.refund(installation.add_payment(2), 50, at=when)
    installation.stripe.dispute(installation.add_payment(3), at=when)
    answer = installation.sweep("--kind", "due", "--apply")
    assert answer.json["discrepancies"] == {"dispute_drift": 1, "refund_drift": 2}
    assert set(installation.statuses().values()) == {"pending"}
    found = installation.query_dicts("SELECT severity FROM reconciler.discrepancies")
    assert [row["severity"] for row in found] == ["critical"] * 3
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []


def test_a_late_event_does_not_downgrade_a_settled_row(installation: Installation) -> None:
    """An old failure that arrives after the success changes nothing: the intent decides, not the event."""
    intent = installation.add_payment(1, "paid", None)
    made = NOW - timedelta(days=2)
    installation.stripe.fail(intent, at=NOW - timedelta(seconds=1))
    installation.stripe.succeed(intent, at=made + timedelta(seconds=2))
    for kind in ("due", "window", "all"):
        assert installation.sweep("--kind", kind, "--apply").code == 0
    assert installation.statuses() == {"1": "paid"}
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []


def test_a_settled_row_is_never_changed(installation: Installation) -> None:
    """For no outcome at Stripe does a sweep write to a settled row."""
    expected = {}
    for local, becomes in itertools.product(
        ["paid", "canceled", "refunded", "disputed"],
        [None, "fail", "process", "authorize", "succeed", "cancel"],
    ):
        manual = {"capture_method": "manual"} if becomes == "authorize" else {}
        installation.add_payment(len(expected), local, becomes, intent=manual)
        expected[str(len(expected))] = local
    for kind in ("due", "window"):
        answer = installation.sweep("--kind", kind, "--apply")
        assert (answer.code, answer.json["corrected"]) == (0, 0)
    assert answer.json["examined"] == len(expected)
    assert installation.statuses() == expected
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []


def test_a_change_in_the_second_of_the_read_waits(installation: Installation) -> None:
    """Stripe counts in seconds: an intent with an event of the same second as its read waits, even without grace."""
    installation.configure(corrections={"grace": "0"})
    intent = installation.add_payment(1, becomes=None, age=timedelta(hours=1))
    installation.stripe.succeed(intent, at=NOW)
    answer = installation.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["waiting"], answer.json["corrected"]) == (0, 1, 0)
    (recheck,) = installation.query_dicts("SELECT payment_intent FROM reconciler.rechecks")
    assert recheck["payment_intent"] == intent
    installation.clock.advance(timedelta(seconds=2))
    assert installation.sweep("--kind", "due", "--apply").json["corrected"] == 1
    assert installation.query_dicts("SELECT * FROM reconciler.rechecks") == []


def test_the_grace_is_kept_to_the_second(installation: Installation) -> None:
    """One second before the grace is over a change waits; a second after it is corrected.

    In the second between them the read was on its way.
    """
    intent = installation.add_payment(1, becomes=None, age=timedelta(hours=1))
    installation.stripe.succeed(intent, at=NOW - timedelta(seconds=119))
    assert installation.sweep("--kind", "due", "--apply").json["waiting"] == 1
    installation.clock.advance(timedelta(seconds=2))
    assert installation.sweep("--kind", "due", "--apply").json["corrected"] == 1


def test_an_acknowledged_webhook_proves_nothing(installation: Installation) -> None:
    """Every endpoint answered 200 and the row did not change: it is corrected, and the cause says so."""
    installation.stripe.register_webhook(lambda _body, _signature: 200)
    intent = installation.add_payment(1, becomes=None, age=timedelta(hours=1))
    installation.stripe.succeed(intent, at=NOW - timedelta(seconds=200))
    assert installation.stripe.deliver_due() > 0
    installation.configure(corrections={"grace": "5m"})
    waits = installation.sweep("--kind", "due", "--apply")
    assert waits.json["waiting"] == 1
    installation.clock.advance(timedelta(minutes=5))
    assert installation.sweep("--kind", "due", "--apply").json["corrected"] == 1
    (found,) = installation.query_dicts("SELECT cause FROM reconciler.discrepancies")
    assert found["cause"] == "nothing_pending"


def test_a_row_that_exists_is_not_taken_for_handled(installation: Installation) -> None:
    """A settled row that contradicts Stripe is found, and a row that was corrected before is corrected again."""
    installation.add_payment(1, "paid", "cancel")
    installation.add_payment(2)
    installation.sweep("--apply")
    assert installation.statuses() == {"1": "paid", "2": "paid"}
    assert installation.states_by_kind() == {
        "contradicted": ["open"],
        "missed_outcome": ["corrected"],
    }

    installation.execute("UPDATE public.payments SET status = 'pending' WHERE id = 2")
    assert installation.sweep("--apply").json["corrected"] == 1
    assert installation.statuses()["2"] == "paid"
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == 2


AMOUNTS = [
    ("0.29", 29, True),  # 0.29 * 100 is 28.999999999999996
    ("1.15", 115, True),
    ("4.35", 435, True),
    ("90071992547409.93", 9007199254740993, True),  # above 2**53
    ("90071992547409.92", 9007199254740993, False),
    ("10.005", 1000, False),
    ("10.005", 1001, False),
]


def test_money_is_exact(make_installation: Callable[..., Installation]) -> None:
    """Amounts in major units are compared to the last minor unit, without floats or rounding."""
    installation = make_installation(columns={"amount": ("amount", "numeric")}, amount_unit="major")
    for key, (stored, minor, _) in enumerate(AMOUNTS):
        intent = installation.stripe.intent(installation.add_payment(key))
        installation.execute(f"UPDATE public.payments SET amount = {stored} WHERE id = {key}")
        charge = installation.stripe.latest_charge(intent.id)
        assert charge is not None

        changed = replace(intent, amount=minor, amount_received=minor)
        installation.stripe.load([(changed, replace(charge, amount=minor, amount_captured=minor))])
    report = installation.sweep("--kind", "due", "--apply").json
    assert report["discrepancies"] == {"amount_mismatch": 3, "missed_outcome": 4}
    assert list(installation.statuses().values()) == [
        "paid" if agrees else "pending" for _, _, agrees in AMOUNTS
    ]

    for stake in report["at_stake"]:
        assert type(stake["amount"]) is int
    at_risk = {stake["kind"]: stake["amount"] for stake in report["at_stake"]}
    assert at_risk["missed_outcome"] == 29 + 115 + 435 + 9007199254740993


def _altered(intent: str, **changes: object) -> SandboxAnswer:
    """Stripe's answer for an intent, with some fields changed; a field with the value ``...`` is left out."""
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
        "client_secret": f"{intent}_secret_abc123",
        **changes,
    }
    return SandboxAnswer(200, json.dumps({k: v for k, v in body.items() if v is not ...}).encode())


UNREADABLE: list[dict[str, object]] = [
    {"amount_received": ...},
    {"amount_received": None},
    {"amount_received": 1250.0},
    {"amount_received": "1250"},
    {"amount_received": -1},
    {"amount": ...},
    {"currency": ...},
    {"status": ...},
    {"status": None},
    {"livemode": ...},
    {"created": ...},
    {"latest_charge": "ch_not_expanded"},
    {"id": "pi_another"},
]


def test_a_field_that_was_not_read_is_not_zero(installation: Installation) -> None:
    """A missing field, or one of another type, is neither 0 nor "unpaid": nothing is concluded, exit 75."""
    named = []
    for key, changes in enumerate(UNREADABLE):
        intent = installation.add_payment(key)
        named += ["--payment-intent", intent]
        stripe_answer = _altered(intent, **changes)
        installation.stripe.faults.script(
            RequestFault.ANSWER, times=20, target=intent, answer=stripe_answer
        )
    answer = installation.sweep(*named, "--apply")
    count = len(UNREADABLE)
    assert (answer.code, answer.json["unexamined"], answer.json["examined"]) == (75, count, 0)
    assert set(installation.statuses().values()) == {"pending"}
    assert installation.states_by_kind() == {}
    assert installation.stripe.requests.count(RETRIEVE) <= TRIES * count


def test_an_amount_that_is_not_known_is_not_zero(installation: Installation) -> None:
    """A row without an amount does not agree with any amount that was paid, nor is its amount 0."""
    installation.add_payment(1, amount=1250)
    installation.execute("UPDATE public.payments SET amount = NULL")
    report = installation.sweep("--kind", "due", "--apply").json
    assert report["discrepancies"] == {"amount_mismatch": 1}
    assert installation.statuses() == {"1": "pending"}


def test_an_event_without_its_intent_decides_nothing(installation: Installation) -> None:
    """The snapshot in an event may be old: only the intent itself is compared."""
    intent = installation.add_payment(1, becomes="fail", age=timedelta(hours=2))
    installation.stripe.succeed(intent, at=NOW - timedelta(hours=1))
    installation.stripe.refund(intent, at=NOW - timedelta(minutes=30))
    installation.sweep("--apply")
    assert installation.statuses() == {"1": "pending"}
    assert installation.states_by_kind() == {"refund_drift": ["open"]}


def test_a_failed_read_of_events_leaves_the_page_unexamined(installation: Installation) -> None:
    """If it is not known which webhooks may still arrive, nothing is written and the sweep is not complete."""
    installation.add_payment(1)
    before = installation.dump_results()
    installation.stripe.faults.script(RequestFault.SERVER_ERROR, times=100, endpoint=EVENTS)
    answer = installation.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["complete"]) == (75, False)
    assert installation.dump_results() == before
    assert (
        installation.stripe.requests.count(LIST) + installation.stripe.requests.count(RETRIEVE) >= 1
    )
