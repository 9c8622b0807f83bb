"""What may be concluded about money, and what may not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from reconciler.sandbox import RequestFault
from reconciler.sandbox import SandboxAnswer as Wire
from tests.acceptance.world import EVENTS, LIST, NOW, RETRIEVE, TRIES, World

MONTHS = timedelta(days=75)


def test_nothing_expires_without_asking_stripe(world: World) -> None:
    """A row that is open since months is settled by what Stripe says of it, never by its age."""
    paid = world.pay(1, age=MONTHS)
    world.pay(2, becomes=None, age=MONTHS)
    answer = world.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["corrected"], answer.json["abandoned"]) == (0, 1, 1)
    assert world.statuses() == {"1": "paid", "2": "pending"}
    (written,) = world.ask("SELECT body FROM reconciler.ledger WHERE action = 'correction'")
    assert written["body"]["payment_intent"] == paid


def test_nothing_expires_while_stripe_does_not_answer(world: World) -> None:
    """Without an answer an old open row stays what it is, and nothing is recorded about it."""
    intent = world.pay(1, age=MONTHS)
    world.stripe.faults.script(RequestFault.SERVER_ERROR, times=100, target=intent)
    answer = world.sweep("--payment-intent", intent, "--apply")
    assert (answer.code, answer.json["complete"]) == (75, False)
    assert world.statuses() == {"1": "pending"}
    assert world.kinds() == {}


def test_not_found_is_no_verdict(world: World) -> None:
    """A 404 changes no row, whatever it says: it is a finding, critical where the row is paid."""
    world.pay(1)
    said = ["pending", "failed", "processing", "authorized", "paid"]
    unknown = {world.missing(key, status): status for key, status in enumerate(said, 2)}
    for writing in ("--record", "--apply"):
        assert world.sweep("--kind", "window", writing).code == 0
        assert list(world.statuses().values())[1:] == said
        found = world.ask("SELECT * FROM reconciler.discrepancies WHERE kind = 'missing_at_stripe'")
        assert {row["payment_intent"]: row["severity"] for row in found} == {
            ident: "critical" if status == "paid" else "warning"
            for ident, status in unknown.items()
        }


def test_a_404_closes_nothing_that_was_known_about_money(world: World) -> None:
    """What stood against a paid row stands beside a later 404: Stripe did not say that it is gone."""
    world.pay(1)
    intent = world.pay(2, "paid", "cancel")
    world.sweep("--kind", "window", "--apply")
    assert world.kinds()["contradicted"] == ["open"]
    body = {"error": {"code": "resource_missing", "message": "No such payment_intent", "type": "x"}}
    world.stripe.faults.script(
        RequestFault.ANSWER,
        times=10,
        endpoint=RETRIEVE,
        target=intent,
        answer=Wire(404, json.dumps(body).encode()),
    )
    world.sweep("--payment-intent", intent, "--apply")
    kinds = world.kinds()
    assert kinds["missing_at_stripe"] == ["open"]
    assert world.statuses()["2"] == "paid"
    world.stripe.faults.clear()
    world.sweep("--payment-intent", intent, "--apply")
    assert world.kinds()["contradicted"] == ["open"]


def test_a_404_of_somebody_else_says_nothing(world: World) -> None:
    """A proxy's 404, or one for a path, is no answer about the payment: not examined, exit 75, no finding."""
    wires = [
        Wire(404, b"<html>not here</html>", content_type="text/html"),
        Wire(404, b'{"error": {"message": "Unrecognized request URL", "type": "invalid"}}'),
        Wire(404, b"{}"),
    ]
    named = []
    for key, wire in enumerate(wires):
        intent = world.pay(key)
        named += ["--payment-intent", intent]
        world.stripe.faults.script(RequestFault.ANSWER, times=20, target=intent, answer=wire)
    answer = world.sweep(*named, "--apply")
    assert (answer.code, answer.json["unexamined"]) == (75, 3)
    assert world.kinds() == {}
    assert set(world.statuses().values()) == {"pending"}


def test_money_given_back_before_anyone_looked(world: World) -> None:
    """A customer who has the money back is not sent the goods: the pending row is flagged, never set to paid."""
    when = NOW - timedelta(days=1)
    world.stripe.refund(world.pay(1), at=when)
    world.stripe.refund(world.pay(2), 50, at=when)
    world.stripe.dispute(world.pay(3), at=when)
    answer = world.sweep("--kind", "due", "--apply")
    assert answer.json["discrepancies"] == {"dispute_drift": 1, "refund_drift": 2}
    assert set(world.statuses().values()) == {"pending"}
    found = world.ask("SELECT severity FROM reconciler.discrepancies")
    assert [row["severity"] for row in found] == ["critical"] * 3
    assert world.ask("SELECT * FROM reconciler.outbox") == []


def test_a_late_event_does_not_downgrade_a_settled_row(world: World) -> None:
    """An old failure that arrives after the success changes nothing: the intent is the truth, not the event."""
    intent = world.pay(1, "paid", None)
    made = NOW - timedelta(days=2)
    world.stripe.fail(intent, at=NOW - timedelta(seconds=1))
    world.stripe.succeed(intent, at=made + timedelta(seconds=2))
    for kind in ("due", "window", "all"):
        assert world.sweep("--kind", kind, "--apply").code == 0
    assert world.statuses() == {"1": "paid"}
    assert world.ask("SELECT * FROM reconciler.outbox") == []


def test_a_settled_row_is_never_changed(world: World) -> None:
    """Whatever Stripe says, no sweep writes to a row that is settled."""
    said = {}
    for local, becomes in itertools.product(
        ["paid", "canceled", "refunded", "disputed"],
        [None, "fail", "process", "authorize", "succeed", "cancel"],
    ):
        manual = {"capture_method": "manual"} if becomes == "authorize" else {}
        world.pay(len(said), local, becomes, intent=manual)
        said[str(len(said))] = local
    for kind in ("due", "window"):
        answer = world.sweep("--kind", kind, "--apply")
        assert (answer.code, answer.json["corrected"]) == (0, 0)
    assert answer.json["examined"] == len(said)
    assert world.statuses() == said
    assert world.ask("SELECT * FROM reconciler.outbox") == []


def test_the_second_in_which_it_was_seen_is_not_over(world: World) -> None:
    """Stripe counts in seconds: an intent with an event of the very second of its fetch waits, even without grace."""
    world.configure(corrections={"grace": "0"})
    intent = world.pay(1, becomes=None, age=timedelta(hours=1))
    world.stripe.succeed(intent, at=NOW)
    answer = world.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["waiting"], answer.json["corrected"]) == (0, 1, 0)
    (check,) = world.ask("SELECT payment_intent FROM reconciler.rechecks")
    assert check["payment_intent"] == intent
    world.clock.advance(timedelta(seconds=2))
    assert world.sweep("--kind", "due", "--apply").json["corrected"] == 1
    assert world.ask("SELECT * FROM reconciler.rechecks") == []


def test_the_grace_is_kept_to_the_second(world: World) -> None:
    """One second before the grace is over a change waits; a second after it is corrected.

    The second between is that in which the answer was on its way.
    """
    intent = world.pay(1, becomes=None, age=timedelta(hours=1))
    world.stripe.succeed(intent, at=NOW - timedelta(seconds=119))
    assert world.sweep("--kind", "due", "--apply").json["waiting"] == 1
    world.clock.advance(timedelta(seconds=2))
    assert world.sweep("--kind", "due", "--apply").json["corrected"] == 1


def test_an_acknowledged_webhook_proves_nothing(world: World) -> None:
    """Every endpoint answered 200 and the row did not move: it is corrected, and the cause says so."""
    world.stripe.register_webhook(lambda _body, _signature: 200)
    intent = world.pay(1, becomes=None, age=timedelta(hours=1))
    world.stripe.succeed(intent, at=NOW - timedelta(seconds=200))
    assert world.stripe.deliver_due() > 0
    world.configure(corrections={"grace": "5m"})
    waits = world.sweep("--kind", "due", "--apply")
    assert waits.json["waiting"] == 1
    world.clock.advance(timedelta(minutes=5))
    assert world.sweep("--kind", "due", "--apply").json["corrected"] == 1
    (found,) = world.ask("SELECT cause FROM reconciler.discrepancies")
    assert found["cause"] == "not_handled"


def test_a_row_that_exists_was_not_therefore_handled(world: World) -> None:
    """A settled row that contradicts Stripe is found though it is settled, and one corrected before is corrected again."""
    world.pay(1, "paid", "cancel")
    world.pay(2)
    world.sweep("--apply")
    assert world.statuses() == {"1": "paid", "2": "paid"}
    assert world.kinds() == {"contradicted": ["open"], "missed_outcome": ["corrected"]}
    world.execute("UPDATE public.payments SET status = 'pending' WHERE id = 2")
    assert world.sweep("--apply").json["corrected"] == 1
    assert world.statuses()["2"] == "paid"
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == 2


AMOUNTS = [
    ("0.29", 29, True),  # 0.29 * 100 is 28.999999999999996
    ("1.15", 115, True),
    ("4.35", 435, True),
    ("90071992547409.93", 9007199254740993, True),  # above 2**53
    ("90071992547409.92", 9007199254740993, False),
    ("10.005", 1000, False),
    ("10.005", 1001, False),
]


def test_money_is_exact(make_world: Callable[..., World]) -> None:
    """Amounts in major units are compared to the last minor unit: no float, no rounding."""
    world = make_world(columns={"amount": ("amount", "numeric")}, amount_unit="major")
    for key, (stored, minor, _) in enumerate(AMOUNTS):
        intent = world.stripe.intent(world.pay(key))
        world.execute(f"UPDATE public.payments SET amount = {stored} WHERE id = {key}")
        charge = world.stripe.latest_charge(intent.id)
        assert charge is not None
        moved = replace(intent, amount=minor, amount_received=minor)
        world.stripe.load([(moved, replace(charge, amount=minor, amount_captured=minor))])
    report = world.sweep("--kind", "due", "--apply").json
    assert report["discrepancies"] == {"amount_mismatch": 3, "missed_outcome": 4}
    assert list(world.statuses().values()) == [
        "paid" if agrees else "pending" for _, _, agrees in AMOUNTS
    ]
    for stake in report["at_stake"]:
        assert type(stake["amount"]) is int
    at_risk = {stake["kind"]: stake["amount"] for stake in report["at_stake"]}
    assert at_risk["missed_outcome"] == 29 + 115 + 435 + 9007199254740993


def _altered(intent: str, **changes: object) -> Wire:
    """What Stripe says of an intent, with some fields changed or, by Ellipsis, left out."""
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
    return Wire(200, json.dumps({k: v for k, v in body.items() if v is not ...}).encode())


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


def test_what_was_not_read_is_not_zero(world: World) -> None:
    """A field that is missing or of another type is no 0 and no "unpaid": nothing is concluded, exit 75."""
    named = []
    for key, changes in enumerate(UNREADABLE):
        intent = world.pay(key)
        named += ["--payment-intent", intent]
        wire = _altered(intent, **changes)
        world.stripe.faults.script(RequestFault.ANSWER, times=20, target=intent, answer=wire)
    answer = world.sweep(*named, "--apply")
    count = len(UNREADABLE)
    assert (answer.code, answer.json["unexamined"], answer.json["examined"]) == (75, count, 0)
    assert set(world.statuses().values()) == {"pending"}
    assert world.kinds() == {}
    assert world.stripe.requests.count(RETRIEVE) <= TRIES * count


def test_an_amount_that_is_not_known_is_not_zero(world: World) -> None:
    """A row without an amount is not paid with whatever came, and its sum is not 0."""
    world.pay(1, amount=1250)
    world.execute("UPDATE public.payments SET amount = NULL")
    report = world.sweep("--kind", "due", "--apply").json
    assert report["discrepancies"] == {"amount_mismatch": 1}
    assert world.statuses() == {"1": "pending"}


def test_an_event_without_its_intent_decides_nothing(world: World) -> None:
    """The snapshot in an event is old news: only the intent itself is compared."""
    intent = world.pay(1, becomes="fail", age=timedelta(hours=2))
    world.stripe.succeed(intent, at=NOW - timedelta(hours=1))
    world.stripe.refund(intent, at=NOW - timedelta(minutes=30))
    world.sweep("--apply")
    assert world.statuses() == {"1": "pending"}
    assert world.kinds() == {"refund_drift": ["open"]}


def test_a_look_at_events_that_fails_leaves_the_page_unexamined(world: World) -> None:
    """Without knowing what is on the way nothing is written, and the sweep is not complete."""
    world.pay(1)
    before = world.substance()
    world.stripe.faults.script(RequestFault.SERVER_ERROR, times=100, endpoint=EVENTS)
    answer = world.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["complete"]) == (75, False)
    assert world.substance() == before
    assert world.stripe.requests.count(LIST) + world.stripe.requests.count(RETRIEVE) >= 1
