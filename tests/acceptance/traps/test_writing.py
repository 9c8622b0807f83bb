"""What is written to the merchant's rows, on which condition, and how it is taken back."""

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
from reconciler.wiring import open_account
from tests.acceptance.installation import EVENTS, NOW, Installation


def during(installation: Installation, endpoint: str, act: Callable[[], object]) -> threading.Event:
    """Do something once, in the middle of a sweep: before this endpoint answers."""
    done = threading.Event()

    def meanwhile(asked: str, _target: str) -> None:
        if asked == endpoint and not done.is_set():
            done.set()
            act()

    installation.stripe.before_answer = meanwhile
    return done


def test_a_row_that_holds_another_payment_by_now_is_not_written(installation: Installation) -> None:
    """The customer began anew between load and lock: what the first PaymentIntent became is not the row's affair."""
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
def test_a_row_that_changed_meanwhile_is_judged_anew(
    installation: Installation, change: str
) -> None:
    """What the merchant wrote between load and lock is what is judged: it is not written over."""
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


def test_a_row_that_is_gone_meanwhile_waits(installation: Installation) -> None:
    """A row deleted between load and lock is no "missing" one: it leaves a check, and the next sweep tells."""
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
    """A changed status ships nothing: each correction is told to the merchant's own code, once, after its commit."""
    intents = {
        str(key): installation.add_payment(key, "pending", becomes)
        for key, becomes in enumerate(("succeed", "cancel", "fail", "process"))
    }
    with psycopg.connect(installation.shop.url, autocommit=True) as listening:
        listening.execute("LISTEN reconciler_outbox")
        assert installation.sweep("--apply").json["corrected"] == 4
        told = list(listening.notifies(timeout=5, stop_after=1))
        assert [note.payload for note in told] == ["default"]
    rows = installation.query_dicts("SELECT * FROM reconciler.outbox ORDER BY payment_key")
    assert {row["payment_key"]: row["payment_intent"] for row in rows} == intents
    assert [row["to_status"] for row in rows] == ["paid", "canceled", "failed", "processing"]
    assert [row["outcome"] for row in rows] == ["succeeded", "canceled", "failed", "processing"]
    assert {row["from_status"] for row in rows} == {"pending"}
    assert installation.sweep("--apply").json["corrected"] == 0
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == 4
    installation.check_ledger()


def test_a_late_webhook_and_the_outbox_tell_of_one_payment(installation: Installation) -> None:
    """The webhook that comes after the correction finds a paid row; the outbox row is there to ship by."""
    intent = installation.add_payment(1)
    installation.sweep("--apply")
    installation.execute(
        f"UPDATE public.payments SET status = 'paid' WHERE stripe_payment_intent_id = '{intent}'"
        " AND status = 'pending'"
    )
    (row,) = installation.query_dicts("SELECT * FROM reconciler.outbox WHERE delivered_at IS NULL")
    assert (row["payment_intent"], row["to_status"]) == (intent, "paid")


def test_a_wrong_line_of_mapping_is_seen_before_it_writes(installation: Installation) -> None:
    """A dry run is the default: a mapping that would rewrite the table shows it, and changes nothing."""
    for key in range(12):
        installation.add_payment(key, "paid", "cancel")
    reading = installation.sections["payments"]["read"]
    installation.configure(
        payments={"read": {**reading, "paid": "incomplete", "done": "succeeded"}}
    )
    installation.configure(payments={"write": {"canceled": "canceled"}})
    before = installation.dump()
    report = installation.sweep().json
    assert (report["corrected"], report["would_correct"], report["applied"]) == (0, 12, False)
    assert installation.dump() == before


def test_a_wrong_line_of_mapping_is_taken_back(installation: Installation) -> None:
    """Applied all the same: revert restores every row that the merchant has not touched since, and tells of it."""
    for key in range(12):
        installation.add_payment(key, "paid", "cancel")
    reading = installation.sections["payments"]["read"]
    installation.configure(
        payments={"read": {**reading, "paid": "incomplete", "done": "succeeded"}}
    )
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
    assert installation.sweep("--apply").json["corrected"] == 0, "what was taken back is not redone"
    again = installation.run("revert", str(report["sweep"]), "--json")
    assert (again.code, again.json["reverted"]) == (1, 0)
    installation.check_ledger()


def test_a_status_that_does_not_read_back_is_refused_at_the_start(
    installation: Installation,
) -> None:
    """Writing a word that means something else would be corrected again in every sweep: exit 78 before anything."""
    installation.add_payment(1)
    writing = installation.sections["payments"]["write"]
    for wrong, named in (("canceled", "succeeded"), ("shipped", "shipped")):
        installation.configure(payments={"write": {**writing, "succeeded": wrong}})
        answer = installation.run("sweep", "--apply")
        assert answer.code == 78
        assert named in answer.err
    assert installation.statuses() == {"1": "pending"}
    assert installation.stripe.requests.reads == 0


def test_the_service_is_bounded_by_the_hour(installation: Installation) -> None:
    """What the service may correct in an hour ends at per_hour; the rest is kept for a person, who is not bound."""
    installation.configure(corrections={"mode": "update", "per_hour": 3})
    settings = load(installation.config, installation.environ)
    request = SweepRequest(SweepKind.DUE, Writing.ROWS, SERVICE)

    class Nobody:
        def advance(self, examined: int, total: int | None) -> None:
            pass

    for first, corrected, held_back in ((0, 3, 5), (8, 0, 2)):
        for key in range(first, 8 if first == 0 else 10):
            installation.add_payment(key)
        with open_account(settings, settings.account(None), SystemClock()) as account:
            report = account.sweep(request, Nobody())
        assert report.corrected == corrected
        assert report.held_back >= held_back
    held = installation.run("discrepancies", "--json", "--state", "open").json
    assert [item["reason"] for item in held] == ["hourly_limit"] * 7
    assert installation.sweep("--apply").json["corrected"] == 7
    installation.check_ledger()


def test_work_is_acknowledged_only_when_it_is_done(installation: Installation) -> None:
    """A page that cannot be recorded leaves no trace of having been seen but a check: none is lifted, no event kept."""
    intent = installation.add_payment(1, "canceled", None, age=timedelta(hours=1))
    installation.stripe.succeed(intent, at=NOW - timedelta(seconds=30))
    installation.sweep("--payment-intent", intent, "--apply")
    checks = installation.query_dicts("SELECT payment_intent FROM reconciler.rechecks")
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
    assert installation.query_dicts("SELECT payment_intent FROM reconciler.rechecks") == checks
    assert installation.query_dicts("SELECT * FROM reconciler.events") == events
    assert installation.query_dicts("SELECT * FROM reconciler.discrepancies") == []
    installation.execute("DROP TRIGGER refuse ON reconciler.discrepancies")
    installation.clock.advance(timedelta(hours=7))
    assert installation.sweep("--kind", "due", "--apply").json["discrepancies"] == {
        "paid_after_cancel": 1
    }


def test_a_row_that_the_table_s_own_rules_protect(installation: Installation) -> None:
    """A constraint of the merchant's forbids one write: that row is named and untouched, the others are corrected."""
    for key in range(6):
        installation.add_payment(key)
    installation.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT no_way CHECK (id <> 3 OR status <> 'paid')"
    )
    answer = installation.run("sweep", "--kind", "due", "--apply")
    assert answer.code == 75
    assert "no_way" in answer.out
    statuses = installation.statuses()
    assert (statuses.pop("3"), set(statuses.values())) == ("pending", {"paid"})
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == 5
    installation.check_ledger()


def test_a_table_that_takes_no_correction_at_all(installation: Installation) -> None:
    """A trigger of the merchant's forbids every write: each row is named, tried again later, and nothing half done."""
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
    assert (answer.code, answer.json["corrected"], answer.json["unexamined"]) == (75, 0, 6)
    assert "4242" not in answer.err + answer.out
    assert installation.statuses() == before
    assert installation.query_dicts("SELECT * FROM reconciler.discrepancies") == []
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []
    assert len(installation.query_dicts("SELECT * FROM reconciler.rechecks")) == 6
    installation.check_ledger()


def test_a_trigger_that_has_other_ideas(installation: Installation) -> None:
    """A trigger that writes something else than what was decided: the row is not counted as corrected."""
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
