"""A sweep that has not examined everything says so, and no open payment is ever forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from reconciler.adapters.stripe_gateway import Retries, StripeGateway
from reconciler.sandbox import PaymentKind, RequestFault, make
from reconciler.wiring import account as account_wiring
from tests.acceptance.installation import EVENTS, LIST, NOW, RETRIEVE, Installation


def test_an_old_payment_that_changed_today_is_found(installation: Installation) -> None:
    """A payment made two months ago and paid today is outside every window sweep; the due sweep finds it."""
    intent = installation.add_payment(1, becomes=None, age=timedelta(days=60))
    installation.stripe.succeed(intent, at=NOW - timedelta(hours=1))
    assert (
        installation.sweep("--kind", "window", "--since", "30d", "--apply").json["corrected"] == 0
    )
    assert installation.sweep("--kind", "due", "--apply").json["corrected"] == 1


def test_a_sweep_without_kind_finds_old_payments(installation: Installation) -> None:
    """Without --kind a sweep uses every source: one finds what another cannot."""
    intent = installation.add_payment(1, becomes=None, age=timedelta(days=60))
    installation.stripe.succeed(intent, at=NOW - timedelta(hours=1))
    assert installation.sweep("--apply").json["corrected"] == 1


def test_a_webhook_lost_weeks_ago_is_found(installation: Installation) -> None:
    """A sweep is not limited to the last minutes: a payment lost more than a year ago is still open, and is corrected."""
    for key, days in enumerate((1, 8, 29, 31, 400)):
        installation.add_payment(key, age=timedelta(days=days))
    answer = installation.sweep("--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 5)


def test_a_shared_second_is_not_lost_between_pages(installation: Installation) -> None:
    """Two hundred and fifty payments of the same second are listed over three pages, each of them once."""
    when = NOW - timedelta(days=2)
    for _ in range(250):
        make(installation.stripe, PaymentKind.SUCCEEDED, 500, "eur", at=when)
    installation.add_payment(1)
    answer = installation.sweep("--kind", "window")
    assert (answer.code, answer.json["examined"]) == (0, 251)
    assert answer.json["discrepancies"] == {"missed_outcome": 1, "missing_locally": 250}


def test_adjacent_ranges_have_each_payment_once(installation: Installation) -> None:
    """--since is in the range and --until is not: two ranges that meet at a second have its payments once."""
    boundary = NOW - timedelta(days=2)
    for key, seconds in enumerate((-1, 0, 1)):
        installation.add_payment(key, age=timedelta(days=2) - timedelta(seconds=seconds))
    text = boundary.strftime("%Y-%m-%dT%H:%M:%S")
    for kind in ("window", "due"):
        before = installation.sweep("--kind", kind, "--since", "30d", "--until", text).json
        after = installation.sweep("--kind", kind, "--since", text).json
        assert (before["would_correct"], after["would_correct"]) == (1, 2)


@pytest.mark.parametrize("endpoint", [RETRIEVE, LIST, EVENTS])
def test_a_rate_limited_sweep_is_not_complete(installation: Installation, endpoint: str) -> None:
    """If Stripe refuses reads to the end, the sweep is not complete, ends with 75, and says how many were refused."""
    intent = installation.add_payment(1)
    installation.stripe.faults.script(RequestFault.RATE_LIMITED, times=1000, endpoint=endpoint)
    named = ["--kind", "window"] if endpoint == LIST else ["--payment-intent", intent]
    answer = installation.sweep(*named, "--apply")
    report = answer.json
    assert (answer.code, report["complete"], report["corrected"]) == (75, False, 0)
    assert report["rate_limited"] == installation.stripe.requests.rate_limited > 0
    assert report["reads"] == installation.stripe.requests.reads
    assert installation.statuses() == {"1": "pending"}
    (kept,) = installation.query_dicts("SELECT complete, report FROM reconciler.sweeps")
    assert kept["complete"] is False


def test_a_rate_limited_read_that_succeeds_in_the_end_counts(installation: Installation) -> None:
    """After two refusals and an answer the sweep is complete, and says how often it was refused."""
    intent = installation.add_payment(1)
    installation.stripe.faults.script(RequestFault.RATE_LIMITED, times=2, endpoint=RETRIEVE)
    answer = installation.sweep("--payment-intent", intent, "--apply")
    assert (answer.code, answer.json["complete"], answer.json["corrected"]) == (0, True, 1)
    assert answer.json["rate_limited"] == 2


def test_a_list_with_a_gap_is_no_proof_of_absence(installation: Installation) -> None:
    """If the second page of a window is lost, the first is recorded, the missing range is named, and no row of it is
    called missing; the next sweep does the rest."""
    for key in range(150):
        installation.add_payment(key, age=timedelta(days=2, seconds=key))
    installation.stripe.faults.script(
        RequestFault.SERVER_ERROR, times=5, endpoint=LIST, target="starting_after"
    )
    answer = installation.sweep("--kind", "window", "--apply")
    report = answer.json
    assert (answer.code, report["complete"], report["corrected"]) == (75, False, 100)
    assert report["discrepancies"] == {"missed_outcome": 100}
    assert report["unexamined"] == 1

    again = installation.sweep("--kind", "window", "--apply")
    assert (again.code, again.json["corrected"]) == (0, 50)
    assert set(installation.statuses().values()) == {"paid"}

    installation.check_ledger()


def test_a_payment_that_was_not_examined_is_named(installation: Installation) -> None:
    """The report says which payment could not be examined, and why."""
    intent, other = installation.add_payment(1), installation.add_payment(2)
    installation.stripe.faults.script(RequestFault.SERVER_ERROR, times=100, target=intent)
    answer = installation.run(
        "sweep", "--apply", "--payment-intent", intent, "--payment-intent", other
    )
    assert answer.code == 75
    named = [line for line in answer.out.splitlines() if line.startswith(intent)]
    assert len(named) == 1
    assert "500" in named[0]
    assert "not complete" in answer.out
    assert installation.statuses() == {"1": "pending", "2": "paid"}


def test_a_wait_is_never_forgotten(installation: Installation) -> None:
    """A settled row is in no due sweep, but the recheck of its wait brings it back; only a decision removes the recheck."""
    intent = installation.add_payment(1, "canceled", None, age=timedelta(hours=1))
    installation.stripe.succeed(intent, at=NOW - timedelta(seconds=30))
    assert installation.sweep("--payment-intent", intent, "--apply").json["waiting"] == 1
    installation.clock.advance(timedelta(minutes=10))
    installation.stripe.faults.script(RequestFault.SERVER_ERROR, times=5, target=intent)
    assert installation.sweep("--kind", "due", "--apply").code == 75
    assert len(installation.query_dicts("SELECT * FROM reconciler.rechecks")) == 1
    report = installation.sweep("--kind", "due", "--apply").json
    assert report["discrepancies"] == {"paid_after_cancel": 1}
    assert installation.query_dicts("SELECT * FROM reconciler.rechecks") == []


def test_a_wait_without_a_row_is_never_forgotten(installation: Installation) -> None:
    """Money was taken a moment ago and has no row yet: the recheck stays after the window sweep and finds it later."""
    installation.add_payment(1)
    intent = installation.stripe.create_payment(700, "eur", at=NOW - timedelta(minutes=1))
    installation.stripe.succeed(intent.id, at=NOW - timedelta(seconds=30))
    assert installation.sweep("--kind", "window", "--apply").json["waiting"] == 1
    assert [
        row["payment_intent"]
        for row in installation.query_dicts("SELECT * FROM reconciler.rechecks")
    ] == [intent.id]

    installation.clock.advance(timedelta(minutes=10))
    report = installation.sweep("--kind", "due", "--apply").json
    assert report["discrepancies"] == {"missing_locally": 1}
    assert installation.query_dicts("SELECT * FROM reconciler.rechecks") == []


def test_polling_does_not_stop_silently(installation: Installation) -> None:
    """A payment that waits for the bank past every deadline is reported, and still read."""
    manual = {"capture_method": "manual"}
    when = timedelta(days=75)
    installation.add_payment(1, "processing", "process", age=when, intent={"method": "sepa_debit"})
    installation.add_payment(2, "authorized", "authorize", age=when, intent=manual)
    for _ in range(2):
        report = installation.sweep("--kind", "due", "--apply").json
        assert report["examined"] == 2
        assert report["discrepancies"]["exhausted"] == 2


def test_an_unavailable_stripe_ends_the_sweep_with_a_reason(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep over many payments does not try each of them, says why it stopped, and is not complete."""
    once = partial(StripeGateway, retries=Retries(attempts=1))
    monkeypatch.setattr(account_wiring, "StripeGateway", once)
    for key in range(320):
        installation.add_payment(key)
    installation.stripe.faults.script(RequestFault.BAD_GATEWAY, times=100_000)
    answer = installation.sweep("--kind", "due", "--apply")
    assert answer.code == 75
    assert answer.json["complete"] is False
    assert "502" in answer.json["stopped"]
    assert answer.json["stopped"].split()[0] in answer.err
    assert installation.stripe.requests.count() < 320
    assert set(installation.statuses().values()) == {"pending"}


def test_an_event_that_is_listed_late_changes_nothing_in_the_end(
    installation: Installation,
) -> None:
    """An event that the list shows late or never loses nothing: the payment itself is read."""
    installation.stripe.faults.shares = replace(
        installation.stripe.faults.shares,
        events_never_generated=0.5,
        events_listed_late=0.5,
        listed_after=86400,
    )
    for key in range(20):
        installation.add_payment(key, age=timedelta(hours=1 + key))
    answer = installation.sweep("--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 20)
