"""What is written to the merchant's rows, on which condition, and how it is taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from reconciler.clock import SystemClock
from reconciler.engine.actor import SERVICE
from reconciler.engine.report import SweepKind, SweepRequest, Writing
from reconciler.settings import load
from reconciler.wiring import open_account
from tests.acceptance.world import EVENTS, NOW, World


def during(world: World, endpoint: str, act: Callable[[], object]) -> threading.Event:
    """Do something once, in the middle of a sweep: before this endpoint answers."""
    done = threading.Event()

    def meanwhile(asked: str, _target: str) -> None:
        if asked == endpoint and not done.is_set():
            done.set()
            act()

    world.stripe.before_answer = meanwhile
    return done


def test_a_row_that_holds_another_payment_by_now_is_not_written(world: World) -> None:
    """The customer began anew between load and lock: what the first PaymentIntent became is not the row's affair."""
    first = world.pay(1)
    second = world.stripe.create_payment(1250, "eur", at=NOW - timedelta(hours=1))
    done = during(
        world,
        EVENTS,
        lambda: world.execute(
            f"UPDATE public.payments SET stripe_payment_intent_id = '{second.id}'"
        ),
    )
    report = world.sweep("--payment-intent", first, "--apply").json
    assert done.is_set()
    assert (report["corrected"], report["waiting"]) == (0, 1)
    assert world.statuses() == {"1": "pending"}
    assert world.ask("SELECT * FROM reconciler.outbox") == []
    assert [row["payment_intent"] for row in world.ask("SELECT * FROM reconciler.rechecks")] == [
        first
    ]


@pytest.mark.parametrize(
    "change",
    ["status = 'paid'", "amount = 900", "currency = 'usd'", "status = 'refunded'"],
)
def test_a_row_that_changed_meanwhile_is_judged_anew(world: World, change: str) -> None:
    """What the merchant wrote between load and lock is what is judged: it is not written over."""
    world.pay(1)
    done = during(world, EVENTS, lambda: world.execute(f"UPDATE public.payments SET {change}"))
    report = world.sweep("--kind", "due", "--apply").json
    assert done.is_set()
    assert report["corrected"] == 0
    row = world.shop.rows()["1"]
    column, _, value = change.partition(" = ")
    assert row[column] == value.strip("'")
    assert world.ask("SELECT * FROM reconciler.outbox") == []
    world.verify()


def test_a_row_that_is_gone_meanwhile_waits(world: World) -> None:
    """A row deleted between load and lock is no "missing" one: it leaves a check, and the next sweep tells."""
    world.pay(1)
    kept = world.pay(2)
    done = during(world, EVENTS, lambda: world.execute("DELETE FROM public.payments WHERE id = 1"))
    report = world.sweep("--kind", "due", "--apply").json
    assert done.is_set()
    assert (report["corrected"], report["waiting"]) == (1, 1)
    assert world.statuses() == {"2": "paid"}
    later = world.sweep("--kind", "window", "--apply").json
    assert later["discrepancies"] == {"missing_locally": 1}
    assert kept not in str(world.ask("SELECT payment_intent FROM reconciler.rechecks"))


def test_every_correction_waits_in_the_outbox(world: World) -> None:
    """A changed status ships nothing: each correction is told to the merchant's own code, once, after its commit."""
    intents = {
        str(key): world.pay(key, "pending", becomes)
        for key, becomes in enumerate(("succeed", "cancel", "fail", "process"))
    }
    with psycopg.connect(world.shop.url, autocommit=True) as listening:
        listening.execute("LISTEN reconciler_outbox")
        assert world.sweep("--apply").json["corrected"] == 4
        told = list(listening.notifies(timeout=5, stop_after=1))
        assert [note.payload for note in told] == ["default"]
    rows = world.ask("SELECT * FROM reconciler.outbox ORDER BY payment_key")
    assert {row["payment_key"]: row["payment_intent"] for row in rows} == intents
    assert [row["to_status"] for row in rows] == ["paid", "canceled", "failed", "processing"]
    assert [row["outcome"] for row in rows] == ["succeeded", "canceled", "failed", "processing"]
    assert {row["from_status"] for row in rows} == {"pending"}
    assert world.sweep("--apply").json["corrected"] == 0
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == 4
    world.verify()


def test_a_late_webhook_and_the_outbox_tell_of_one_payment(world: World) -> None:
    """The webhook that comes after the correction finds a paid row; the outbox row is there to ship by."""
    intent = world.pay(1)
    world.sweep("--apply")
    world.execute(
        f"UPDATE public.payments SET status = 'paid' WHERE stripe_payment_intent_id = '{intent}'"
        " AND status = 'pending'"
    )
    (row,) = world.ask("SELECT * FROM reconciler.outbox WHERE delivered_at IS NULL")
    assert (row["payment_intent"], row["to_status"]) == (intent, "paid")


def test_a_wrong_line_of_mapping_is_seen_before_it_writes(world: World) -> None:
    """A dry run is the default: a mapping that would rewrite the table shows it, and changes nothing."""
    for key in range(12):
        world.pay(key, "paid", "cancel")
    reading = world.sections["payments"]["read"]
    world.configure(payments={"read": {**reading, "paid": "incomplete", "done": "succeeded"}})
    world.configure(payments={"write": {"canceled": "canceled"}})
    before = world.dump()
    report = world.sweep().json
    assert (report["corrected"], report["would_correct"], report["applied"]) == (0, 12, False)
    assert world.dump() == before


def test_a_wrong_line_of_mapping_is_taken_back(world: World) -> None:
    """Applied all the same: revert restores every row that the merchant has not touched since, and tells of it."""
    for key in range(12):
        world.pay(key, "paid", "cancel")
    reading = world.sections["payments"]["read"]
    world.configure(payments={"read": {**reading, "paid": "incomplete", "done": "succeeded"}})
    world.configure(payments={"write": {"canceled": "canceled"}})
    before = world.shop.rows()
    report = world.sweep("--apply").json
    assert report["corrected"] == 12
    world.execute("UPDATE public.payments SET status = 'refunded' WHERE id = 7")
    answer = world.run("revert", str(report["sweep"]), "--json")
    assert (answer.code, answer.json["reverted"]) == (1, 11)
    assert [skipped["payment"] for skipped in answer.json["skipped"]] == ["7"]
    after = world.shop.rows()
    for rows in (before, after):
        rows.pop("7")
        for row in rows.values():
            row.pop("updated")
    assert after == before
    assert world.sweep("--apply").json["corrected"] == 0, "what was taken back is not redone"
    again = world.run("revert", str(report["sweep"]), "--json")
    assert (again.code, again.json["reverted"]) == (1, 0)
    world.verify()


def test_a_status_that_does_not_read_back_is_refused_at_the_start(world: World) -> None:
    """Writing a word that means something else would be corrected again in every sweep: exit 78 before anything."""
    world.pay(1)
    writing = world.sections["payments"]["write"]
    for wrong, named in (("canceled", "succeeded"), ("shipped", "shipped")):
        world.configure(payments={"write": {**writing, "succeeded": wrong}})
        answer = world.run("sweep", "--apply")
        assert answer.code == 78
        assert named in answer.err
    assert world.statuses() == {"1": "pending"}
    assert world.stripe.requests.reads == 0


def test_the_service_is_bounded_by_the_hour(world: World) -> None:
    """What the service may correct in an hour ends at per_hour; the rest is kept for a person, who is not bound."""
    world.configure(corrections={"mode": "update", "per_hour": 3})
    settings = load(world.config, world.environ)
    request = SweepRequest(SweepKind.DUE, Writing.ROWS, SERVICE)

    class Nobody:
        def advance(self, examined: int, total: int | None) -> None:
            pass

    for first, corrected, held_back in ((0, 3, 5), (8, 0, 2)):
        for key in range(first, 8 if first == 0 else 10):
            world.pay(key)
        with open_account(settings, settings.account(None), SystemClock()) as account:
            report = account.sweep(request, Nobody())
        assert report.corrected == corrected
        assert report.held_back >= held_back
    held = world.run("discrepancies", "--json", "--state", "open").json
    assert [item["reason"] for item in held] == ["hourly_limit"] * 7
    assert world.sweep("--apply").json["corrected"] == 7
    world.verify()


def test_work_is_acknowledged_only_when_it_is_done(world: World) -> None:
    """A page that cannot be recorded leaves no trace of having been seen but a check: none is lifted, no event kept."""
    intent = world.pay(1, "canceled", None, age=timedelta(hours=1))
    world.stripe.succeed(intent, at=NOW - timedelta(seconds=30))
    world.sweep("--payment-intent", intent, "--apply")
    checks = world.ask("SELECT payment_intent FROM reconciler.rechecks")
    events = world.ask("SELECT * FROM reconciler.events")
    world.clock.advance(timedelta(minutes=5))
    world.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'sk_live_not_for_you'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON reconciler.discrepancies"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    before = world.statuses()
    answer = world.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["unexamined"]) == (75, 1)
    shown = world.run("sweep", "--kind", "due", "--apply")
    assert "sk_live_not" not in shown.err + shown.out
    assert world.statuses() == before
    assert world.ask("SELECT payment_intent FROM reconciler.rechecks") == checks
    assert world.ask("SELECT * FROM reconciler.events") == events
    assert world.ask("SELECT * FROM reconciler.discrepancies") == []
    world.execute("DROP TRIGGER refuse ON reconciler.discrepancies")
    world.clock.advance(timedelta(hours=7))
    assert world.sweep("--kind", "due", "--apply").json["discrepancies"] == {"paid_after_cancel": 1}


def test_a_row_that_the_table_s_own_rules_protect(world: World) -> None:
    """A constraint of the merchant's forbids one write: that row is named and untouched, the others are corrected."""
    for key in range(6):
        world.pay(key)
    world.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT no_way CHECK (id <> 3 OR status <> 'paid')"
    )
    answer = world.run("sweep", "--kind", "due", "--apply")
    assert answer.code == 75
    assert "no_way" in answer.out
    statuses = world.statuses()
    assert (statuses.pop("3"), set(statuses.values())) == ("pending", {"paid"})
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == 5
    world.verify()


def test_a_table_that_takes_no_correction_at_all(world: World) -> None:
    """A trigger of the merchant's forbids every write: each row is named, tried again later, and nothing half done."""
    for key in range(6):
        world.pay(key)
    world.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'card 4242 4242 4242 4242'; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON public.payments"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    before = world.statuses()
    answer = world.sweep("--kind", "due", "--apply")
    assert (answer.code, answer.json["corrected"], answer.json["unexamined"]) == (75, 0, 6)
    assert "4242" not in answer.err + answer.out
    assert world.statuses() == before
    assert world.ask("SELECT * FROM reconciler.discrepancies") == []
    assert world.ask("SELECT * FROM reconciler.outbox") == []
    assert len(world.ask("SELECT * FROM reconciler.rechecks")) == 6
    world.verify()


def test_a_trigger_that_has_other_ideas(world: World) -> None:
    """A trigger that writes something else than what was decided: the row is not counted as corrected."""
    world.pay(1)
    world.execute(
        "CREATE FUNCTION muddle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.status := 'canceled'; RETURN NEW; END $$;"
        "CREATE TRIGGER muddle BEFORE UPDATE ON public.payments"
        " FOR EACH ROW EXECUTE FUNCTION muddle()"
    )
    answer = world.sweep("--kind", "due", "--apply")
    assert answer.json["corrected"] == 0
    assert world.statuses() == {"1": "pending"}
    assert world.ask("SELECT * FROM reconciler.outbox") == []
