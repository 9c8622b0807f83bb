"""One sweep over a real database: what it writes, what it does not write, and what it reports."""

from __future__ import annotations

from datetime import timedelta

from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Event
from reconciler.engine.report import DecisionKind, Mode, SweepKind, Writing
from reconciler.errors import StripeUnavailableError
from reconciler.exit_codes import ExitCode
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW


def test_a_correction_is_written_with_all_its_records(sweeps: SweepRunner) -> None:
    """After the sweep the row is corrected, and its discrepancy, ledger entry and outbox row exist and name one another."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")
    report = sweeps.run(SweepKind.DUE)
    assert report.complete
    assert (report.examined, report.corrected, report.would_correct) == (1, 1, 0)
    assert sweeps.statuses() == {"1": "paid"}
    (found,) = sweeps.query("SELECT * FROM reconciler.discrepancies")
    assert (found["kind"], found["state"], found["keys"]) == ("missed_outcome", "corrected", ["1"])
    (message,) = sweeps.query("SELECT * FROM reconciler.outbox")
    assert (message["payment_key"], message["from_status"], message["to_status"]) == (
        "1",
        "pending",
        "paid",
    )
    entries = sweeps.query("SELECT * FROM reconciler.ledger ORDER BY seq")
    assert [entry["action"] for entry in entries] == ["correction", "finding_opened", "sweep"]
    assert message["ledger_seq"] == entries[0]["seq"]
    assert entries[0]["body"]["before"] == {"status": "pending", "payment_intent": "pi_1"}  # type: ignore[index]


def test_a_dry_run_writes_nothing_but_its_reads(sweeps: SweepRunner) -> None:
    """It reports what it would do, and stores nothing but the sum of its reads."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")
    report = sweeps.run(SweepKind.DUE, Writing.NOTHING)
    assert (report.corrected, report.would_correct) == (0, 1)
    assert report.discrepancies == {Kind.MISSED_OUTCOME: 1}
    assert [line.decision for line in report.lines] == [DecisionKind.CORRECT]
    assert sweeps.statuses() == {"1": "pending"}
    for table in ("discrepancies", "ledger", "outbox", "rechecks", "sweeps", "events"):
        assert sweeps.query(f"SELECT * FROM reconciler.{table}") == []


def test_a_sweep_that_may_not_write_rows_stores_findings(sweeps: SweepRunner) -> None:
    """A finding that was not corrected has the reason: the sweep was not asked to, or the mode does not allow it."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    (found,) = sweeps.query("SELECT state, reason FROM reconciler.discrepancies")
    assert found == {"state": "open", "reason": "not_applied"}
    sweeps.mode = Mode.REPORT
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    (found,) = sweeps.query("SELECT state, reason FROM reconciler.discrepancies")
    assert found == {"state": "open", "reason": "report_mode"}
    assert sweeps.statuses() == {"1": "pending"}
    assert sweeps.query("SELECT * FROM reconciler.outbox") == []


def test_a_second_sweep_changes_nothing(sweeps: SweepRunner) -> None:
    """After a correction both sides agree: nothing is written twice, and the ledger has no new finding."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_row(2, "pi_2", "canceled")
    sweeps.add_intent("pi_1")
    sweeps.add_intent("pi_2")
    sweeps.run()
    before = sweeps.query("SELECT * FROM reconciler.ledger WHERE action <> 'sweep' ORDER BY seq")
    report = sweeps.run()
    assert (report.corrected, dict(report.discrepancies)) == (0, {Kind.PAID_AFTER_CANCEL: 1})
    after = sweeps.query(
        "SELECT * FROM reconciler.ledger WHERE action NOT IN ('sweep', 'day_totals') ORDER BY seq"
    )
    assert [entry for entry in before if entry["action"] != "day_totals"] == after
    assert len(sweeps.query("SELECT * FROM reconciler.outbox")) == 1


def test_a_finding_is_closed_once_both_sides_agree(sweeps: SweepRunner) -> None:
    """An examination of the same pair closes it, and stores why."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    sweeps.shop.execute("UPDATE public.payments SET status = 'paid'")
    sweeps.run(SweepKind.WINDOW, Writing.FINDINGS)
    (found,) = sweeps.query("SELECT state, closing FROM reconciler.discrepancies")
    assert found == {"state": "closed", "closing": "agreement"}


def test_an_intent_that_two_sources_meet_is_examined_once(sweeps: SweepRunner) -> None:
    """The window and the due source both cover an open row of this week. It is read once and counted once."""
    for number in range(30):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")
    report = sweeps.run(SweepKind.ALL)
    assert (report.examined, report.corrected) == (30, 30)
    assert report.reads == 3  # the events, the list, and the recent events


def test_the_window_finds_an_intent_without_a_row(sweeps: SweepRunner) -> None:
    """Money without a row is critical. Its finding names the intent and no row."""
    sweeps.add_row(1, "pi_1", "paid")
    sweeps.add_intent("pi_1")
    sweeps.add_intent("pi_lost")
    sweeps.add_intent("pi_cart", "requires_payment_method")
    report = sweeps.run(SweepKind.WINDOW)
    assert dict(report.discrepancies) == {Kind.MISSING_LOCALLY: 1}
    (found,) = sweeps.query("SELECT * FROM reconciler.discrepancies")
    assert (found["payment_intent"], found["keys"], found["severity"]) == (
        "pi_lost",
        [],
        "critical",
    )


def test_the_window_retrieves_rows_that_the_list_did_not_show(sweeps: SweepRunner) -> None:
    """A settled row is found if Stripe does not know its intent, or created the intent outside the window."""
    sweeps.add_row(1, "pi_1", "paid")
    sweeps.add_intent("pi_1")
    sweeps.add_row(2, "pi_gone", "paid")
    sweeps.add_row(3, "pi_old", "paid")
    sweeps.add_intent("pi_old", created=NOW - timedelta(days=45))
    report = sweeps.run(SweepKind.WINDOW)
    assert dict(report.discrepancies) == {Kind.MISSING_AT_STRIPE: 1}
    assert sorted(sweeps.stripe.asked) == ["pi_gone", "pi_old"]


def test_a_recent_change_waits_and_leaves_a_recheck(sweeps: SweepRunner) -> None:
    """Its webhook may be on the way: only a recheck is stored, and the verdict removes it."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")
    event = Event("evt_1", "payment_intent.succeeded", NOW - timedelta(seconds=30), "pi_1")
    sweeps.stripe.event_pages = [(event,)]
    report = sweeps.run(SweepKind.DUE)
    assert (report.waiting, report.corrected, report.complete) == (1, 0, True)
    (recheck,) = sweeps.query("SELECT * FROM reconciler.rechecks")
    assert recheck["payment_intent"] == "pi_1"
    sweeps.stripe.event_pages = []
    sweeps.run(SweepKind.DUE)
    assert sweeps.query("SELECT * FROM reconciler.rechecks WHERE payment_intent = 'pi_1'") == [
        recheck
    ]
    sweeps.stripe.present += timedelta(minutes=2)
    assert sweeps.run(SweepKind.DUE).corrected == 1
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []


def test_a_recheck_makes_due_read_a_settled_row(sweeps: SweepRunner) -> None:
    """A settled row that had to wait is not open, so only its recheck makes the due source read it."""
    sweeps.add_row(1, "pi_1", "canceled")
    sweeps.add_intent("pi_1")
    sweeps.shop.execute(
        f"INSERT INTO reconciler.rechecks (account, payment_intent, due_at, reason)"
        f" VALUES ('default', 'pi_1', '{(NOW - timedelta(minutes=1)).isoformat()}', 'recent')"
    )
    report = sweeps.run(SweepKind.DUE)
    assert dict(report.discrepancies) == {Kind.PAID_AFTER_CANCEL: 1}
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []


def test_without_the_recent_events_a_page_is_not_examined(sweeps: SweepRunner) -> None:
    """A webhook could be on its way: nothing is recorded, and the report says so."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")

    def no_events(*_: object) -> None:
        raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.list_events = no_events  # type: ignore[method-assign,assignment]
    report = sweeps.run(SweepKind.DUE)
    assert not report.complete
    assert report.examined == 0
    assert "recent events could not be read" in report.unexamined[0].why
    assert sweeps.statuses() == {"1": "pending"}
    assert sweeps.query("SELECT * FROM reconciler.discrepancies") == []


def test_one_intent_that_fails_does_not_stop_the_others(sweeps: SweepRunner) -> None:
    """The sweep goes on, even if the list fails too. It is not complete, and names what it did not examine."""
    for number in range(3):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")

    def fail(ident: str) -> None:
        if ident in ("pi_1", "first page"):
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = sweeps.run(SweepKind.DUE)
    assert (report.complete, report.corrected, report.unexamined_count) == (False, 2, 1)
    assert report.unexamined[0].what == "pi_1"
    assert sweeps.statuses() == {"0": "paid", "1": "pending", "2": "paid"}


def test_a_sweep_ends_if_stripe_answers_nothing(sweeps: SweepRunner) -> None:
    """After a few pages without any answer it ends, instead of trying every payment."""
    for number in range(450):
        sweeps.add_row(number, f"pi_{number}")

    def fail(_: str) -> None:
        raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = sweeps.run(SweepKind.DUE)
    assert report.failure is not None
    assert report.failure.exit_code is ExitCode.TEMPORARY
    assert sweeps.stripe.reads <= 310


def test_a_wrong_key_records_nothing(sweeps: SweepRunner) -> None:
    """If every row is answered with 404, the key is of another account: exit code 78, and no finding."""
    for number in range(60):
        sweeps.add_row(number, f"pi_{number}")
    report = sweeps.run(SweepKind.ALL)
    assert report.failure is not None
    assert report.failure.exit_code is ExitCode.CONFIGURATION
    assert sweeps.query("SELECT * FROM reconciler.discrepancies") == []


def test_the_intents_of_another_account_are_not_recorded(sweeps: SweepRunner) -> None:
    """The list has only intents that no row names: they are not recorded before the key is proved right."""
    for number in range(12):
        sweeps.add_row(
            number, f"pi_{number}", "paid", created=(NOW - timedelta(days=90)).isoformat()
        )
    for number in range(40):
        sweeps.add_intent(f"pi_without_row{number}")
    report = sweeps.run(SweepKind.WINDOW)
    assert report.failure is not None
    assert report.failure.exit_code is ExitCode.CONFIGURATION
    assert sweeps.query("SELECT * FROM reconciler.discrepancies") == []


def test_the_service_keeps_to_the_hourly_limit(sweeps: SweepRunner) -> None:
    """A correction above the limit is stored as a finding with that reason. A person's sweep has no such limit."""
    sweeps.per_hour = 3
    for number in range(10):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")
    report = sweeps.run(SweepKind.DUE, asked_by="service")
    assert (report.corrected, report.held_back) == (3, 7)
    held = sweeps.query(
        "SELECT * FROM reconciler.discrepancies WHERE reason = 'hourly_limit' AND state = 'open'"
    )
    assert len(held) == 7
    assert sweeps.run(SweepKind.DUE, asked_by="service").corrected == 0
    assert sweeps.run(SweepKind.DUE, asked_by="ops@host").corrected == 7
    assert set(sweeps.statuses().values()) == {"paid"}


def test_a_row_without_an_intent_is_found_by_its_order(sweeps: SweepRunner) -> None:
    """The lost webhook would have brought the intent's id, so the correction writes that too."""
    sweeps.with_rules(link_metadata="order_id")
    sweeps.add_row(1, None, order="7")
    sweeps.add_intent("pi_1", metadata={"order_id": "7"})
    report = sweeps.run(SweepKind.WINDOW)
    assert report.corrected == 1
    row = sweeps.shop.rows()["1"]
    assert (row["status"], row["payment_intent"]) == ("paid", "pi_1")


def test_an_order_that_was_paid_twice_is_found_in_a_dry_run_too(sweeps: SweepRunner) -> None:
    """Both rows are still pending, so only the sweep itself knows that both were paid. The pair has one finding."""
    for number, age in ((1, 8), (2, 7)):
        sweeps.add_row(number, f"pi_{number}", order="7")
        sweeps.add_intent(f"pi_{number}", created=NOW - timedelta(days=age))
    for writing in (Writing.NOTHING, Writing.ROWS):
        report = sweeps.run(SweepKind.DUE, writing)
        assert report.discrepancies[Kind.DUPLICATE_PAYMENT] == 1
    (found,) = sweeps.query(
        "SELECT * FROM reconciler.discrepancies WHERE kind = 'duplicate_payment'"
    )
    assert (found["payment_intent"], found["keys"]) == ("pi_2", ["2"])
    assert set(sweeps.statuses().values()) == {"paid"}


def test_the_ledger_of_several_sweeps_verifies(sweeps: SweepRunner) -> None:
    """After sweeps of every kind of writing, the chain is whole from its first entry to its head."""
    for number in range(5):
        sweeps.add_row(
            number,
            f"pi_{number}",
            ["pending", "paid", "canceled", "failed", "refunded"][number],
        )
        sweeps.add_intent(f"pi_{number}", ["succeeded", "canceled"][number % 2])
    for writing in (Writing.FINDINGS, Writing.ROWS, Writing.ROWS):
        sweeps.run(writing=writing)
    entries = [
        Entry(**row)  # type: ignore[arg-type]
        for row in sweeps.query(
            "SELECT account, seq, at, action, body, prev, hash, role FROM reconciler.ledger ORDER BY seq"
        )
    ]
    (head,) = sweeps.query("SELECT seq, hash FROM reconciler.ledger_heads")
    assert len(entries) > 5
    assert first_break(entries, (head["seq"], head["hash"]), "default") is None  # type: ignore[arg-type]


def test_a_complete_window_stores_the_totals_of_whole_days(sweeps: SweepRunner) -> None:
    """For each day that was covered fully: count and sum by outcome and currency, on both sides, after the corrections."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_row(2, "pi_2", "paid")
    sweeps.add_intent("pi_1")
    sweeps.add_intent("pi_2")
    sweeps.run(SweepKind.WINDOW)
    (entry,) = sweeps.query("SELECT body FROM reconciler.ledger WHERE action = 'day_totals'")
    body = entry["body"]
    assert body["stripe"] == {"succeeded": {"count": 2, "amount": 2000}}  # type: ignore[index]
    assert body["local"] == {"succeeded": {"count": 2, "amount": 2000}}  # type: ignore[index]
    assert body["received"] == {"count": 2, "amount": 2000}  # type: ignore[index]


def test_a_row_that_the_table_refuses_does_not_lose_its_page(
    sweeps: SweepRunner,
) -> None:
    """A CHECK of the table forbids one correction: it is a finding, the others are made, and the sweep is complete."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT never_paid CHECK (id <> 7 OR status <> 'paid')"
    )
    for number in range(20):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.complete, report.unexamined_count) == (19, True, 0)
    (found,) = sweeps.query(
        "SELECT subject, kind, reason, evidence FROM reconciler.discrepancies WHERE state = 'open'"
    )
    assert (found["subject"], found["kind"], found["reason"]) == (
        "pi_7",
        "missed_outcome",
        "refused_by_table",
    )
    assert found["evidence"]["constraint"] == "never_paid"  # type: ignore[index]
    assert len(sweeps.query("SELECT * FROM reconciler.outbox")) == 19


def test_a_table_that_refuses_every_correction(sweeps: SweepRunner) -> None:
    """Each row has a finding and a recheck, nothing is written, and the sweep is complete."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT never_paid CHECK (status <> 'paid')"
    )
    for number in range(20):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.complete, report.unexamined_count) == (0, True, 0)
    found = sweeps.query("SELECT reason FROM reconciler.discrepancies WHERE state = 'open'")
    assert [one["reason"] for one in found] == ["refused_by_table"] * 20
    assert sweeps.query("SELECT * FROM reconciler.outbox") == []
    assert len(sweeps.query("SELECT * FROM reconciler.rechecks")) == 20


def test_a_refused_row_takes_nothing_of_the_hourly_limit(sweeps: SweepRunner) -> None:
    """The service may correct one row in the hour: it is the only one of three rows that the table takes."""
    sweeps.per_hour = 1
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT never_paid CHECK (id = 2 OR status <> 'paid')"
    )
    for number in range(3):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")
    report = sweeps.run(SweepKind.DUE, asked_by="service")
    assert report.corrected == 1
    assert sweeps.statuses() == {"0": "pending", "1": "pending", "2": "paid"}


def test_dense_open_rows_are_read_by_lists(sweeps: SweepRunner) -> None:
    """A page of the list shows a hundred intents. A row that it does not show is retrieved; no other intent is examined."""
    for number in range(250):
        created = (NOW - timedelta(days=7, seconds=number)).isoformat()
        sweeps.add_row(number, f"pi_{number}", created=created)
        sweeps.add_intent(f"pi_{number}", created=NOW - timedelta(days=7, seconds=number))
    for number in range(40):
        sweeps.add_intent(
            f"pi_without_row{number}", created=NOW - timedelta(days=7, seconds=number)
        )
    sweeps.add_row(999, "pi_older", created=(NOW - timedelta(days=7)).isoformat())
    sweeps.add_intent("pi_older", created=NOW - timedelta(days=50))
    report = sweeps.run(SweepKind.DUE)
    assert (report.examined, report.corrected, report.complete) == (251, 251, True)
    assert sweeps.stripe.asked == ["pi_older"]
    assert report.reads <= 6
    assert dict(report.discrepancies) == {Kind.MISSED_OUTCOME: 251}


def test_a_planned_list_that_fails_loses_no_payment(sweeps: SweepRunner) -> None:
    """Its rows are retrieved one by one instead, and the sweep is complete."""
    for number in range(60):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")

    def fail(what: str) -> None:
        if what == "first page":
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.complete) == (60, True)
    assert len(sweeps.stripe.asked) == 60


def test_intents_without_rows_do_not_make_a_plan_expensive(sweeps: SweepRunner) -> None:
    """If Stripe has far more intents than the table has rows, the list is given up and the rows are retrieved."""
    for number in range(120):
        created = NOW - timedelta(days=7, minutes=10 * number)
        sweeps.add_row(number, f"pi_{number}", created=created.isoformat())
        sweeps.add_intent(f"pi_{number}", created=created)
    for number in range(3000):
        sweeps.add_intent(
            f"pi_without_row{number}", created=NOW - timedelta(days=7, seconds=20 * number)
        )
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.complete) == (120, True)
    assert report.reads <= 1.5 * 120
