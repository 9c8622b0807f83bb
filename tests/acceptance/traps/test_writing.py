"""What Reconciler writes to the merchant's rows, on which conditions, and how a person takes it back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from reconciler.clock import SystemClock
from reconciler.engine.report import SweepKind, SweepRequest, Writing
from reconciler.engine.sweep_context import SERVICE
from reconciler.settings import load
from reconciler.wiring.account import open_account
from tests.acceptance.installation import EVENTS, NOW, Installation


def during(installation: Installation, endpoint: str, act: Callable[[], object]) -> threading.Event:
    """Do something once in the middle of a sweep, before this endpoint answers; the event says that it was done."""
    done = threading.Event()

    def meanwhile(read: str, _target: str) -> None:
        if read == endpoint and not done.is_set():
            done.set()
            act()

    installation.stripe.before_answer = meanwhile
    return done


def test_a_row_that_got_another_intent_is_not_written(installation: Installation) -> None:
    """The customer starts again between load and lock: the first PaymentIntent's outcome is not written to the row."""
    first = installation.add_payment(1)
    second = installation.stripe.create_payment(1250, "eur", at=NOW - timedelta(hours=1))
    done = during(
        installation,
        EVENTS,
        lambda: installation.execute(
            f"UPDATE public.payments SET stripe_payment_intent_id = '{second.id}'"
        ),
    )
    report = installation.sweep("--payment-intent", first, "--apply").json
    assert done.is_set()
    assert (report["corrected"], report["waiting"]) == (0, 1)
    assert installation.statuses() == {"1": "pending"}
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []
    assert [
        row["payment_intent"]
        for row in installation.query_dicts("SELECT * FROM reconciler.rechecks")
    ] == [first]


@pytest.mark.parametrize(
    "change",
    ["status = 'paid'", "amount = 900", "currency = 'usd'", "status = 'refunded'"],
)
def test_a_row_that_changed_meanwhile_is_decided_again(
    installation: Installation, change: str
) -> None:
    """A row that the merchant changed between load and lock is decided by its new values, and not overwritten."""
    installation.add_payment(1)
    done = during(
        installation, EVENTS, lambda: installation.execute(f"UPDATE public.payments SET {change}")
    )
    report = installation.sweep("--kind", "due", "--apply").json
    assert done.is_set()
    assert report["corrected"] == 0

    row = installation.shop.rows()["1"]
    column, _, value = change.partition(" = ")
    assert row[column] == value.strip("'")
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []

    installation.check_ledger()


def test_a_row_deleted_meanwhile_waits(installation: Installation) -> None:
    """A row deleted between load and lock is not called missing: it leaves a recheck, and the next sweep decides."""
    installation.add_payment(1)
    kept = installation.add_payment(2)
    done = during(
        installation,
        EVENTS,
        lambda: installation.execute("DELETE FROM public.payments WHERE id = 1"),
    )
    report = installation.sweep("--kind", "due", "--apply").json
    assert done.is_set()
    assert (report["corrected"], report["waiting"]) == (1, 1)
    assert installation.statuses() == {"2": "paid"}

    later = installation.sweep("--kind", "window", "--apply").json
    assert later["discrepancies"] == {"missing_locally": 1}
    assert kept not in str(
        installation.query_dicts("SELECT payment_intent FROM reconciler.rechecks")
    )


def test_every_correction_waits_in_the_outbox(installation: Installation) -> None:
    """A changed status ships nothing: each correction gets one outbox row for the merchant's code, after its commit."""
    intents = {
        str(key): installation.add_payment(key, "pending", becomes)
        for key, becomes in enumerate(("succeed", "cancel", "fail", "process"))
    }
    with psycopg.connect(installation.shop.url, autocommit=True) as listening:
        listening.execute("LISTEN reconciler_outbox")
        assert installation.sweep("--apply").json["corrected"] == 4

        # one for each transaction: what needs to know its order is written at the end of the sweep
        notifications = list(listening.notifies(timeout=5, stop_after=1))
        assert {note.payload for note in notifications} == {"default"}
    rows = installation.query_dicts("SELECT * FROM reconciler.outbox ORDER BY payment_key")
    assert {row["payment_key"]: row["payment_intent"] for row in rows} == intents
    assert [row["to_status"] for row in rows] == ["paid", "canceled", "failed", "processing"]
    assert [row["outcome"] for row in rows] == ["succeeded", "canceled", "failed", "processing"]
    assert {row["from_status"] for row in rows} == {"pending"}
    assert installation.sweep("--apply").json["corrected"] == 0
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == 4

    installation.check_ledger()


def test_a_late_webhook_leaves_the_outbox_row(installation: Installation) -> None:
    """The webhook that arrives after the correction finds a paid row; the outbox row still says that goods must ship."""
    intent = installation.add_payment(1)
    installation.sweep("--apply")
    installation.execute(
        f"UPDATE public.payments SET status = 'paid' WHERE stripe_payment_intent_id = '{intent}'"
        " AND status = 'pending'"
    )
    (row,) = installation.query_dicts("SELECT * FROM reconciler.outbox WHERE delivered_at IS NULL")
    assert (row["payment_intent"], row["to_status"]) == (intent, "paid")


def test_a_wrong_mapping_is_seen_in_a_dry_run(installation: Installation) -> None:
    """A dry run is the default: it shows that a mapping would rewrite the table, and changes nothing."""
    for key in range(12):
        installation.add_payment(key, "paid", "cancel")
    read = installation.sections["payments"]["read"]
    installation.configure(payments={"read": {**read, "paid": "incomplete", "done": "succeeded"}})
    installation.configure(payments={"write": {"canceled": "canceled"}})
    before = installation.dump()
    report = installation.sweep().json
    assert (report["corrected"], report["would_correct"], report["applied"]) == (0, 12, False)
    assert installation.dump() == before


def test_the_corrections_of_a_wrong_mapping_are_reverted(installation: Installation) -> None:
    """If it was applied, revert restores every row that the merchant has not changed since, and names the others."""
    for key in range(12):
        installation.add_payment(key, "paid", "cancel")
    read = installation.sections["payments"]["read"]
    installation.configure(payments={"read": {**read, "paid": "incomplete", "done": "succeeded"}})
    installation.configure(payments={"write": {"canceled": "canceled"}})
    before = installation.shop.rows()
    report = installation.sweep("--apply").json
    assert report["corrected"] == 12

    installation.execute("UPDATE public.payments SET status = 'refunded' WHERE id = 7")
    answer = installation.run("revert", str(report["sweep"]), "--json")
    assert (answer.code, answer.json["reverted"]) == (1, 11)
    assert [skipped["payment"] for skipped in answer.json["skipped"]] == ["7"]

    after = installation.shop.rows()
    for rows in (before, after):
        rows.pop("7")
        for row in rows.values():
            row.pop("updated")
    assert after == before
    assert installation.sweep("--apply").json["corrected"] == 0, (
        "a reverted correction is not made again"
    )

    again = installation.run("revert", str(report["sweep"]), "--json")
    assert (again.code, again.json["reverted"]) == (1, 0)

    installation.check_ledger()


def test_a_status_that_does_not_read_back_is_refused_at_the_start(
    installation: Installation,
) -> None:
    """A written status that means another outcome would be corrected again in every sweep: exit 78 before anything else."""
    installation.add_payment(1)
    write = installation.sections["payments"]["write"]
    for wrong, named in (("canceled", "succeeded"), ("shipped", "shipped")):
        installation.configure(payments={"write": {**write, "succeeded": wrong}})
        answer = installation.run("sweep", "--apply")
        assert answer.code == 78
        assert named in answer.err
    assert installation.statuses() == {"1": "pending"}
    assert installation.stripe.requests.reads == 0


def test_the_hourly_limit_binds_the_service_only(installation: Installation) -> None:
    """The service corrects at most per_hour rows in an hour and leaves the rest for a person, who is not limited."""
    installation.configure(corrections={"mode": "update", "per_hour": 3})
    settings = load(installation.config, installation.environ)
    request = SweepRequest(SweepKind.DUE, Writing.ROWS, SERVICE)

    class NoProgress:
        def advance(self, examined: int, total: int | None) -> None:
            pass

    for first, corrected, held_back in ((0, 3, 5), (8, 0, 2)):
        for key in range(first, 8 if first == 0 else 10):
            installation.add_payment(key)
        with open_account(settings, settings.account(None), SystemClock()) as account:
            report = account.sweep(request, NoProgress())
        assert report.corrected == corrected
        assert report.held_back >= held_back
    held = installation.run("discrepancies", "--json", "--state", "open").json
    assert [item["reason"] for item in held] == ["hourly_limit"] * 7
    assert installation.sweep("--apply").json["corrected"] == 7

    installation.check_ledger()


def test_work_is_acknowledged_only_when_it_is_done(installation: Installation) -> None:
    """A page that cannot be recorded changes nothing but rechecks: none is removed, and no event is stored."""
    intent = installation.add_payment(1, "canceled", None, age=timedelta(hours=1))
    installation.stripe.succeed(intent, at=NOW - timedelta(seconds=30))
    installation.sweep("--payment-intent", intent, "--apply")
    rechecks = installation.query_dicts("SELECT payment_intent FROM reconciler.rechecks")
    events = installation.query_dicts("SELECT * FROM reconciler.events")
    installation.clock.advance(timedelta(minutes=5))
    installation.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'sk_live_not_for_you'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON reconciler.discrepancies"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    before = installation.statuses()
    answer = installation.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["unexamined"]) == (75, 1)

    shown = installation.run("sweep", "--kind", "due", "--apply")
    assert "sk_live_not" not in shown.err + shown.out
    assert installation.statuses() == before
    assert installation.query_dicts("SELECT payment_intent FROM reconciler.rechecks") == rechecks
    assert installation.query_dicts("SELECT * FROM reconciler.events") == events
    assert installation.query_dicts("SELECT * FROM reconciler.discrepancies") == []

    installation.execute("DROP TRIGGER refuse ON reconciler.discrepancies")
    installation.clock.advance(timedelta(hours=7))
    assert installation.sweep("--kind", "due", "--apply").json["discrepancies"] == {
        "paid_after_cancel": 1
    }


def test_a_row_protected_by_a_constraint_stays(installation: Installation) -> None:
    """A constraint of the merchant's forbids one write: that row is a finding, and the others are corrected."""
    for key in range(6):
        installation.add_payment(key)
    installation.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT no_way CHECK (id <> 3 OR status <> 'paid')"
    )
    answer = installation.run("sweep", "--kind", "due", "--apply")
    assert answer.code == 0
    (found,) = installation.query_dicts(
        "SELECT keys, evidence FROM reconciler.discrepancies WHERE state = 'open'"
    )
    assert (found["keys"], found["evidence"]["constraint"]) == (["3"], "no_way")

    statuses = installation.statuses()
    assert (statuses.pop("3"), set(statuses.values())) == ("pending", {"paid"})
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == 5

    installation.check_ledger()


def test_a_table_that_refuses_every_correction(installation: Installation) -> None:
    """A trigger of the merchant's forbids every write: each row is a finding, is read again later, and nothing is half done."""
    for key in range(6):
        installation.add_payment(key)
    installation.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'card 4242 4242 4242 4242'; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON public.payments"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    before = installation.statuses()
    answer = installation.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["corrected"], answer.json["unexamined"]) == (0, 0, 0)
    assert answer.json["refused"] == 6
    assert "4242" not in answer.err + answer.out
    assert installation.statuses() == before
    found = installation.query_dicts("SELECT * FROM reconciler.discrepancies")
    assert [one["reason"] for one in found] == ["refused_by_table"] * 6
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []
    assert len(installation.query_dicts("SELECT * FROM reconciler.rechecks")) == 6

    installation.check_ledger()


def test_a_trigger_that_writes_another_status(installation: Installation) -> None:
    """A trigger writes another status than the decided one: the row is not counted as corrected."""
    installation.add_payment(1)
    installation.execute(
        "CREATE FUNCTION muddle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.status := 'canceled'; RETURN NEW; END $$;"
        "CREATE TRIGGER muddle BEFORE UPDATE ON public.payments"
        " FOR EACH ROW EXECUTE FUNCTION muddle()"
    )
    answer = installation.sweep("--kind", "due", "--apply")
    assert answer.json["corrected"] == 0
    assert installation.statuses() == {"1": "pending"}
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []
