"""One sweep over a real database: what is written, what is not, and what the report says of it."""

from __future__ import annotations

from datetime import timedelta

from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Event
from reconciler.engine.report import DecisionKind, Mode, SweepKind, Writing
from reconciler.errors import ExitCode, StripeUnavailableError
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

LAST_WEEK = (NOW - timedelta(days=7)).isoformat()


def a_payment(
    sweeps: SweepRunner, key: int, intent: str | None, status: str = "pending", **row: object
) -> None:
    values = {"amount": 1000, "created": LAST_WEEK, **row}
    sweeps.shop.insert(key=key, payment_intent=intent, status=status, **values)


def knows(sweeps: SweepRunner, ident: str, status: str = "succeeded", **changes: object) -> None:
    facts = {"created": NOW - timedelta(days=7), **changes}
    sweeps.stripe.intents[ident] = an_intent(ident, status, **facts)


def test_a_missed_outcome_is_written_with_all_that_belongs_to_it(sweeps: SweepRunner) -> None:
    """Row, discrepancy, ledger entry and outbox row are there after the sweep, and name one another."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1")
    report = sweeps.run(SweepKind.DUE)
    assert report.complete
    assert (report.examined, report.corrected, report.would_correct) == (1, 1, 0)
    assert sweeps.statuses() == {"1": "paid"}
    (found,) = sweeps.table("SELECT * FROM reconciler.discrepancies")
    assert (found["kind"], found["state"], found["keys"]) == ("missed_outcome", "corrected", ["1"])
    (waiting,) = sweeps.table("SELECT * FROM reconciler.outbox")
    assert (waiting["payment_key"], waiting["from_status"], waiting["to_status"]) == (
        "1",
        "pending",
        "paid",
    )
    entries = sweeps.table("SELECT * FROM reconciler.ledger ORDER BY seq")
    assert [entry["action"] for entry in entries] == ["correction", "finding_opened", "sweep"]
    assert waiting["ledger_seq"] == entries[0]["seq"]
    assert entries[0]["body"]["before"] == {"status": "pending", "payment_intent": "pi_1"}  # type: ignore[index]


def test_a_dry_run_writes_nothing_but_its_reads(sweeps: SweepRunner) -> None:
    """The same path with the record left out: it says what it would do."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1")
    report = sweeps.run(SweepKind.DUE, Writing.NOTHING)
    assert (report.corrected, report.would_correct) == (0, 1)
    assert report.discrepancies == {Kind.MISSED_OUTCOME: 1}
    assert [line.decision for line in report.lines] == [DecisionKind.CORRECT]
    assert sweeps.statuses() == {"1": "pending"}
    for table in ("discrepancies", "ledger", "outbox", "rechecks", "sweeps", "events"):
        assert sweeps.table(f"SELECT * FROM reconciler.{table}") == []


def test_recording_stores_findings_and_touches_no_row(sweeps: SweepRunner) -> None:
    """What was not corrected says why: nobody asked for it, or the mode does not allow it."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1")
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    (found,) = sweeps.table("SELECT state, reason FROM reconciler.discrepancies")
    assert found == {"state": "open", "reason": "not_applied"}
    sweeps.mode = Mode.REPORT
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    (found,) = sweeps.table("SELECT state, reason FROM reconciler.discrepancies")
    assert found == {"state": "open", "reason": "report_mode"}
    assert sweeps.statuses() == {"1": "pending"}
    assert sweeps.table("SELECT * FROM reconciler.outbox") == []


def test_a_second_pass_changes_nothing(sweeps: SweepRunner) -> None:
    """Corrected once: the row agrees, nothing is written twice and nothing new is told."""
    a_payment(sweeps, 1, "pi_1")
    a_payment(sweeps, 2, "pi_2", "canceled")
    knows(sweeps, "pi_1")
    knows(sweeps, "pi_2")
    sweeps.run()
    before = sweeps.table("SELECT * FROM reconciler.ledger WHERE action <> 'sweep' ORDER BY seq")
    report = sweeps.run()
    assert (report.corrected, dict(report.discrepancies)) == (0, {Kind.PAID_AFTER_CANCEL: 1})
    after = sweeps.table(
        "SELECT * FROM reconciler.ledger WHERE action NOT IN ('sweep', 'day_totals') ORDER BY seq"
    )
    assert [entry for entry in before if entry["action"] != "day_totals"] == after
    assert len(sweeps.table("SELECT * FROM reconciler.outbox")) == 1


def test_what_agrees_again_is_closed(sweeps: SweepRunner) -> None:
    """Only an examination of the same pair closes a finding, and it says why."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1")
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    sweeps.shop.execute("UPDATE public.payments SET status = 'paid'")
    sweeps.run(SweepKind.WINDOW, Writing.FINDINGS)
    (found,) = sweeps.table("SELECT state, closing FROM reconciler.discrepancies")
    assert found == {"state": "closed", "closing": "agreement"}


def test_an_intent_that_two_nets_meet_is_examined_once(sweeps: SweepRunner) -> None:
    """Window and due both cover an open row of this week; its reads and counts are not doubled."""
    for number in range(30):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    report = sweeps.run(SweepKind.ALL)
    assert (report.examined, report.corrected) == (30, 30)
    assert report.reads == 3  # the events, the list, and the look at fresh events


def test_the_window_finds_what_has_no_row(sweeps: SweepRunner) -> None:
    """Money taken without an order is critical; it is recorded under the intent alone."""
    a_payment(sweeps, 1, "pi_1", "paid")
    knows(sweeps, "pi_1")
    knows(sweeps, "pi_lost")
    knows(sweeps, "pi_cart", "requires_payment_method")
    report = sweeps.run(SweepKind.WINDOW)
    assert dict(report.discrepancies) == {Kind.MISSING_LOCALLY: 1}
    (found,) = sweeps.table("SELECT * FROM reconciler.discrepancies")
    assert (found["payment_intent"], found["keys"], found["severity"]) == (
        "pi_lost",
        [],
        "critical",
    )


def test_the_window_asks_for_rows_that_the_list_did_not_show(sweeps: SweepRunner) -> None:
    """A settled row whose intent Stripe does not know is found; local time may be hours off."""
    a_payment(sweeps, 1, "pi_1", "paid")
    knows(sweeps, "pi_1")
    a_payment(sweeps, 2, "pi_gone", "paid")
    a_payment(sweeps, 3, "pi_old", "paid")
    knows(sweeps, "pi_old", created=NOW - timedelta(days=45))
    report = sweeps.run(SweepKind.WINDOW)
    assert dict(report.discrepancies) == {Kind.MISSING_AT_STRIPE: 1}
    assert sorted(sweeps.stripe.asked) == ["pi_gone", "pi_old"]


def test_a_fresh_change_waits_and_leaves_a_check(sweeps: SweepRunner) -> None:
    """Its webhook may be on the way: nothing is written but a check, and the check goes with the verdict."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1")
    event = Event("evt_1", "payment_intent.succeeded", NOW - timedelta(seconds=30), "pi_1")
    sweeps.stripe.event_pages = [(event,)]
    report = sweeps.run(SweepKind.DUE)
    assert (report.waiting, report.corrected, report.complete) == (1, 0, True)
    (recheck,) = sweeps.table("SELECT * FROM reconciler.rechecks")
    assert recheck["payment_intent"] == "pi_1"
    sweeps.stripe.event_pages = []
    sweeps.run(SweepKind.DUE)
    assert sweeps.table("SELECT * FROM reconciler.rechecks WHERE payment_intent = 'pi_1'") == [
        recheck
    ]
    sweeps.stripe.present += timedelta(minutes=2)
    assert sweeps.run(SweepKind.DUE).corrected == 1
    assert sweeps.table("SELECT * FROM reconciler.rechecks") == []


def test_a_check_brings_a_settled_row_back(sweeps: SweepRunner) -> None:
    """A settled row that waited is not open, so only its check makes the due net look at it again."""
    a_payment(sweeps, 1, "pi_1", "canceled")
    knows(sweeps, "pi_1")
    sweeps.shop.execute(
        f"INSERT INTO reconciler.rechecks (account, payment_intent, due_at, reason)"
        f" VALUES ('default', 'pi_1', '{(NOW - timedelta(minutes=1)).isoformat()}', 'fresh')"
    )
    report = sweeps.run(SweepKind.DUE)
    assert dict(report.discrepancies) == {Kind.PAID_AFTER_CANCEL: 1}
    assert sweeps.table("SELECT * FROM reconciler.rechecks") == []


def test_a_failed_look_leaves_its_page_unexamined(sweeps: SweepRunner) -> None:
    """Without the look it cannot be known that nothing is on the way: nothing is recorded, and the sweep says so."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1")

    def no_events(*_: object) -> None:
        raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.list_events = no_events  # type: ignore[method-assign,assignment]
    report = sweeps.run(SweepKind.DUE)
    assert not report.complete
    assert report.examined == 0
    assert "look at fresh events" in report.unexamined[0].why
    assert sweeps.statuses() == {"1": "pending"}
    assert sweeps.table("SELECT * FROM reconciler.discrepancies") == []


def test_one_intent_that_fails_does_not_lose_the_others(sweeps: SweepRunner) -> None:
    """The sweep goes on, also where the list of them fails, ends incomplete, and names what it did not examine."""
    for number in range(3):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")

    def fail(ident: str) -> None:
        if ident in ("pi_1", "first page"):
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = sweeps.run(SweepKind.DUE)
    assert (report.complete, report.corrected, report.unexamined_count) == (False, 2, 1)
    assert report.unexamined[0].what == "pi_1"
    assert sweeps.statuses() == {"0": "paid", "1": "pending", "2": "paid"}


def test_a_stripe_that_answers_nothing_ends_the_pass(sweeps: SweepRunner) -> None:
    """It does not try ten thousand payments one by one against a wall."""
    for number in range(450):
        a_payment(sweeps, number, f"pi_{number}")

    def fail(_: str) -> None:
        raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = sweeps.run(SweepKind.DUE)
    assert report.failure is not None
    assert report.failure.exit_code is ExitCode.TEMPORARY
    assert sweeps.stripe.reads <= 310


def test_a_wrong_key_records_nothing(sweeps: SweepRunner) -> None:
    """Every row a 404: the key is of another account. Exit 78, and not one finding."""
    for number in range(60):
        a_payment(sweeps, number, f"pi_{number}")
    report = sweeps.run(SweepKind.ALL)
    assert report.failure is not None
    assert report.failure.exit_code is ExitCode.CONFIGURATION
    assert sweeps.table("SELECT * FROM reconciler.discrepancies") == []


def test_the_key_of_another_account_does_not_flood_us_with_its_intents(sweeps: SweepRunner) -> None:
    """The list is full of intents that no row names: before the key has proved right they are not recorded."""
    for number in range(12):
        a_payment(
            sweeps, number, f"pi_{number}", "paid", created=(NOW - timedelta(days=90)).isoformat()
        )
    for number in range(40):
        knows(sweeps, f"pi_foreign{number}")
    report = sweeps.run(SweepKind.WINDOW)
    assert report.failure is not None
    assert report.failure.exit_code is ExitCode.CONFIGURATION
    assert sweeps.table("SELECT * FROM reconciler.discrepancies") == []


def test_the_service_corrects_no_more_rows_in_an_hour_than_it_may(sweeps: SweepRunner) -> None:
    """What is over the limit is recorded with its reason; a person's sweep is not bound by it."""
    sweeps.per_hour = 3
    for number in range(10):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    report = sweeps.run(SweepKind.DUE, asked_by="service")
    assert (report.corrected, report.held_back) == (3, 7)
    held = sweeps.table(
        "SELECT * FROM reconciler.discrepancies WHERE reason = 'hourly_limit' AND state = 'open'"
    )
    assert len(held) == 7
    assert sweeps.run(SweepKind.DUE, asked_by="service").corrected == 0
    assert sweeps.run(SweepKind.DUE, asked_by="ops@host").corrected == 7
    assert set(sweeps.statuses().values()) == {"paid"}


def test_a_row_without_its_intent_is_found_by_its_order(sweeps: SweepRunner) -> None:
    """The webhook that was lost also held the intent's id: the correction fills it in."""
    sweeps.with_rules(link_metadata="order_id")
    a_payment(sweeps, 1, None, order="7")
    knows(sweeps, "pi_1", metadata={"order_id": "7"})
    report = sweeps.run(SweepKind.WINDOW)
    assert report.corrected == 1
    row = sweeps.shop.rows()["1"]
    assert (row["status"], row["payment_intent"]) == ("paid", "pi_1")


def test_an_order_paid_twice_is_found_in_a_dry_run_too(sweeps: SweepRunner) -> None:
    """Both rows are still pending, so only the sweep itself can know that both were paid; one finding for the pair."""
    for number, age in ((1, 8), (2, 7)):
        a_payment(sweeps, number, f"pi_{number}", order="7")
        knows(sweeps, f"pi_{number}", created=NOW - timedelta(days=age))
    for writing in (Writing.NOTHING, Writing.ROWS):
        report = sweeps.run(SweepKind.DUE, writing)
        assert report.discrepancies[Kind.DUPLICATE_PAYMENT] == 1
    (found,) = sweeps.table(
        "SELECT * FROM reconciler.discrepancies WHERE kind = 'duplicate_payment'"
    )
    assert (found["payment_intent"], found["keys"]) == ("pi_2", ["2"])
    assert set(sweeps.statuses().values()) == {"paid"}


def test_the_ledger_of_many_passes_holds(sweeps: SweepRunner) -> None:
    """Whatever was recorded, the chain verifies from its first entry to its head."""
    from reconciler.domain.audit.ledger_entry import Entry

    for number in range(5):
        a_payment(
            sweeps,
            number,
            f"pi_{number}",
            ["pending", "paid", "canceled", "failed", "refunded"][number],
        )
        knows(sweeps, f"pi_{number}", ["succeeded", "canceled"][number % 2])
    for writing in (Writing.FINDINGS, Writing.ROWS, Writing.ROWS):
        sweeps.run(writing=writing)
    entries = [
        Entry(**row)  # type: ignore[arg-type]
        for row in sweeps.table(
            "SELECT account, seq, at, action, body, prev, hash FROM reconciler.ledger ORDER BY seq"
        )
    ]
    (head,) = sweeps.table("SELECT seq, hash FROM reconciler.ledger_heads")
    assert len(entries) > 5
    assert first_break(entries, (head["seq"], head["hash"]), "default") is None  # type: ignore[arg-type]


def test_a_complete_window_adds_up_whole_days(sweeps: SweepRunner) -> None:
    """Count and sum by outcome on both sides, for each UTC day and currency that was covered whole."""
    a_payment(sweeps, 1, "pi_1")
    a_payment(sweeps, 2, "pi_2", "paid")
    knows(sweeps, "pi_1")
    knows(sweeps, "pi_2")
    sweeps.run(SweepKind.WINDOW)
    (entry,) = sweeps.table("SELECT body FROM reconciler.ledger WHERE action = 'day_totals'")
    body = entry["body"]
    assert body["stripe"] == {"succeeded": {"count": 2, "amount": 2000}}  # type: ignore[index]
    assert body["local"] == {  # type: ignore[index]
        "incomplete": {"count": 1, "amount": 1000},
        "succeeded": {"count": 1, "amount": 1000},
    }


def test_a_row_that_the_merchants_own_rule_refuses_does_not_lose_its_page(
    sweeps: SweepRunner,
) -> None:
    """A CHECK of theirs forbids one correction: the others are made, and the one is named with the rule."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT never_paid CHECK (id <> 7 OR status <> 'paid')"
    )
    for number in range(20):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.complete, report.unexamined_count) == (19, False, 1)
    assert report.unexamined[0].what == "pi_7"
    assert "never_paid" in report.unexamined[0].why
    assert report.failure is None
    assert len(sweeps.table("SELECT * FROM reconciler.outbox")) == 19


def test_a_rule_that_refuses_every_correction_is_told_of_each(sweeps: SweepRunner) -> None:
    """Nothing is accepted: each row is named, nothing is written, and each is tried again later."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT never_paid CHECK (status <> 'paid')"
    )
    for number in range(20):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.complete, report.unexamined_count) == (0, False, 20)
    assert sweeps.table("SELECT * FROM reconciler.outbox") == []
    assert len(sweeps.table("SELECT * FROM reconciler.rechecks")) == 20


def test_open_rows_that_are_dense_are_read_by_lists(sweeps: SweepRunner) -> None:
    """A page of the list shows a hundred: what it does not show is retrieved, and nothing else is examined."""
    for number in range(250):
        created = (NOW - timedelta(days=7, seconds=number)).isoformat()
        a_payment(sweeps, number, f"pi_{number}", created=created)
        knows(sweeps, f"pi_{number}", created=NOW - timedelta(days=7, seconds=number))
    for number in range(40):
        knows(sweeps, f"pi_foreign{number}", created=NOW - timedelta(days=7, seconds=number))
    a_payment(sweeps, 999, "pi_older", created=(NOW - timedelta(days=7)).isoformat())
    knows(sweeps, "pi_older", created=NOW - timedelta(days=50))
    report = sweeps.run(SweepKind.DUE)
    assert (report.examined, report.corrected, report.complete) == (251, 251, True)
    assert sweeps.stripe.asked == ["pi_older"]
    assert report.reads <= 6
    assert dict(report.discrepancies) == {Kind.MISSED_OUTCOME: 251}


def test_a_planned_list_that_fails_costs_reads_and_no_payment(sweeps: SweepRunner) -> None:
    """Its rows are retrieved one by one, and the sweep is complete."""
    for number in range(60):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")

    def fail(what: str) -> None:
        if what == "first page":
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.complete) == (60, True)
    assert len(sweeps.stripe.asked) == 60


def test_many_foreign_intents_do_not_make_a_plan_dear(sweeps: SweepRunner) -> None:
    """Where Stripe turns out to hold far more than our rows, the list is left and the rows are retrieved."""
    for number in range(120):
        created = NOW - timedelta(days=7, minutes=10 * number)
        a_payment(sweeps, number, f"pi_{number}", created=created.isoformat())
        knows(sweeps, f"pi_{number}", created=created)
    for number in range(3000):
        knows(sweeps, f"pi_foreign{number}", created=NOW - timedelta(days=7, seconds=20 * number))
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.complete) == (120, True)
    assert report.reads <= 1.5 * 120
