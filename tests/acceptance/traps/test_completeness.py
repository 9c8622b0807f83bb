"""A sweep that has not looked at everything says so, and nothing that is open is ever lost sight of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.sandbox import PaymentKind, RequestFault, make
from tests.acceptance.installation import EVENTS, LIST, NOW, RETRIEVE, Installation


def test_an_old_payment_that_changed_today_is_seen(installation: Installation) -> None:
    """A payment made two months ago and paid today is outside every window of creation, and is found all the same."""
    intent = installation.add_payment(1, becomes=None, age=timedelta(days=60))
    installation.stripe.succeed(intent, at=NOW - timedelta(hours=1))
    assert (
        installation.sweep("--kind", "window", "--since", "30d", "--apply").json["corrected"] == 0
    )
    assert installation.sweep("--kind", "due", "--apply").json["corrected"] == 1


def test_a_plain_pass_sees_old_payments_too(installation: Installation) -> None:
    """Without --kind all nets are cast: what one cannot see another does."""
    intent = installation.add_payment(1, becomes=None, age=timedelta(days=60))
    installation.stripe.succeed(intent, at=NOW - timedelta(hours=1))
    assert installation.sweep("--apply").json["corrected"] == 1


def test_a_webhook_lost_weeks_ago_is_found(installation: Installation) -> None:
    """No look back of minutes: what was lost 29 days ago is open still, and is corrected."""
    for key, days in enumerate((1, 8, 29, 31, 400)):
        installation.add_payment(key, age=timedelta(days=days))
    answer = installation.sweep("--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 5)


def test_a_shared_second_is_not_lost_between_pages(installation: Installation) -> None:
    """Two hundred and fifty payments of one very second are listed over three pages, each once."""
    when = NOW - timedelta(days=2)
    for _ in range(250):
        make(installation.stripe, PaymentKind.SUCCEEDED, 500, "eur", at=when)
    installation.add_payment(1)
    answer = installation.sweep("--kind", "window")
    assert (answer.code, answer.json["examined"]) == (0, 251)
    assert answer.json["discrepancies"] == {"missed_outcome": 1, "missing_locally": 250}


def test_ranges_that_touch_hold_each_payment_once(installation: Installation) -> None:
    """--since is in the range and --until is not: of two that touch at a second, exactly one holds its payments."""
    stop_token = NOW - timedelta(days=2)
    for key, seconds in enumerate((-1, 0, 1)):
        installation.add_payment(key, age=timedelta(days=2) - timedelta(seconds=seconds))
    middle = stop_token.strftime("%Y-%m-%dT%H:%M:%S")
    for kind in ("window", "due"):
        before = installation.sweep("--kind", kind, "--since", "30d", "--until", middle).json
        after = installation.sweep("--kind", kind, "--since", middle).json
        assert (before["would_correct"], after["would_correct"]) == (1, 2)


@pytest.mark.parametrize("endpoint", [RETRIEVE, LIST, EVENTS])
def test_a_throttled_pass_is_not_complete(installation: Installation, endpoint: str) -> None:
    """Reads that were refused to the end are told: not complete, exit 75, and how many were rate limited."""
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


def test_a_throttled_read_that_succeeds_in_the_end_counts(installation: Installation) -> None:
    """Two refusals and an answer are no loss: the sweep is complete, and says how often it was slowed."""
    intent = installation.add_payment(1)
    installation.stripe.faults.script(RequestFault.RATE_LIMITED, times=2, endpoint=RETRIEVE)
    answer = installation.sweep("--payment-intent", intent, "--apply")
    assert (answer.code, answer.json["complete"], answer.json["corrected"]) == (0, True, 1)
    assert answer.json["rate_limited"] == 2


def test_a_list_with_a_gap_is_no_proof_of_absence(installation: Installation) -> None:
    """A window whose second page is lost: what the first showed is done, the stretch is named, and no row of it is
    said to be missing; the next sweep does the rest."""
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


def test_what_was_not_examined_is_named(installation: Installation) -> None:
    """A person reads which payment could not be examined, and why."""
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
    """A settled row that waited is open to no net, yet its check brings it back, and only a verdict lifts it."""
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
    """Money taken a moment ago, and no row yet: the check outlives the window and finds it later."""
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


def test_polling_does_not_stop_in_silence(installation: Installation) -> None:
    """What waits for the bank past every deadline is told, and is asked for all the same."""
    manual = {"capture_method": "manual"}
    when = timedelta(days=75)
    installation.add_payment(1, "processing", "process", age=when, intent={"method": "sepa_debit"})
    installation.add_payment(2, "authorized", "authorize", age=when, intent=manual)
    for _ in range(2):
        report = installation.sweep("--kind", "due", "--apply").json
        assert report["examined"] == 2
        assert report["discrepancies"]["exhausted"] == 2


def test_a_stripe_that_is_gone_ends_the_pass_in_words(installation: Installation) -> None:
    """A sweep over many payments does not try each against a wall, and does not end as if all were well."""
    for key in range(320):
        installation.add_payment(key)
    installation.stripe.faults.script(RequestFault.BAD_GATEWAY, times=100_000)
    answer = installation.sweep("--kind", "due", "--apply")
    assert answer.code == 75
    assert answer.json["complete"] is False
    assert "502" in answer.json["stopped"]
    assert answer.json["stopped"].split()[0] in answer.err
    assert set(installation.statuses().values()) == {"pending"}


def test_an_event_that_is_listed_late_changes_nothing_in_the_end(
    installation: Installation,
) -> None:
    """An event that the list shows only later, or never, loses nothing: the payment itself is asked for."""
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
