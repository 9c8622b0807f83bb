"""``sweep`` as a person runs it."""

from __future__ import annotations

import csv
import io
import itertools
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.sandbox import LIVE_KEY, RequestFault
from tests.acceptance.cli.conftest import Town

NOWHERE = "http://127.0.0.1:9"


def test_a_dry_run_writes_nothing(town: Town) -> None:
    """Without --apply a sweep shows what it would do, and nothing in the database changes."""
    intent = town.pay(1)
    answer = town.run("sweep")
    assert answer.code == 0
    assert "a dry run, nothing was written" in answer.out
    assert intent in answer.out
    assert "To correct the rows: reconciler sweep --apply" in answer.out
    assert answer.err == ""
    assert town.statuses() == {"1": "pending"}
    for table in ("sweeps", "discrepancies", "ledger", "outbox", "rechecks"):
        assert town.ask(f"SELECT count(*) FROM reconciler.{table}") == [(0,)]


def test_record_changes_no_row(town: Town) -> None:
    """--record stores the findings and changes none of the merchant's rows."""
    town.pay(1)
    answer = town.run("sweep", "--record", "--json")
    assert answer.code == 0
    assert (answer.json["applied"], answer.json["recorded"]) == (False, True)
    assert (answer.json["corrected"], answer.json["would_correct"]) == (0, 1)
    assert town.statuses() == {"1": "pending"}
    assert town.ask("SELECT kind, state FROM reconciler.discrepancies") == [
        ("missed_outcome", "open")
    ]
    assert town.ask("SELECT count(*) FROM reconciler.outbox") == [(0,)]


def test_apply_corrects(town: Town) -> None:
    """--apply by a person corrects also in the mode "report", and writes an outbox row for each correction."""
    intent = town.pay(1)
    town.pay(2, "paid")
    answer = town.run("sweep", "--apply", "--json")
    found = answer.json
    assert answer.code == 0
    assert found["mode"] == "report"
    assert (found["applied"], found["complete"], found["examined"]) == (True, True, 2)
    assert (found["corrected"], found["would_correct"]) == (1, 0)
    assert found["discrepancies"] == {"missed_outcome": 1}
    assert found["reads"] > 0
    assert town.statuses() == {"1": "paid", "2": "paid"}
    assert town.ask("SELECT payment_intent, to_status FROM reconciler.outbox") == [(intent, "paid")]


def test_due_names_the_open_rows_that_it_cannot_examine(town: Town) -> None:
    """A sweep of due says how many open rows hold no PaymentIntent, and what finds them: it does not report all is well."""
    assert "without a PaymentIntent" not in town.run("sweep", "--kind", "due").out
    for key in (1, 2):
        town.shop.insert(key=key, payment_intent=None, status="pending")
    town.shop.insert(key=3, payment_intent=None, status="paid")
    said = "Open rows without a PaymentIntent: 2. A sweep of kind due does not examine them."
    (note,) = town.run("sweep", "--kind", "due", "--json").json["notes"]
    assert note == (
        f"{said} If these rows lost the webhook with the PaymentIntent's id, set payments.link_metadata. Without this setting no sweep can match them."
    )
    linked = town.run(
        "sweep", "--kind", "due", RECONCILER_PAYMENTS__LINK_METADATA="order_id", COLUMNS="300"
    )
    assert f"{said} A sweep of kind window finds the paid ones among these rows" in linked.out
    assert town.run("sweep", "--json").json["notes"] == []
    assert "none; 2 without a PaymentIntent" in town.run("status").out
    assert town.run("status", "--json").json[0]["open_without_intent"] == 2


def test_single_payments(town: Town) -> None:
    """--payment-intent restricts a sweep to those payments."""
    first, second, third = town.pay(1), town.pay(2), town.pay(3)
    answer = town.run(
        "sweep", "--apply", "--payment-intent", first, "--payment-intent", third, "--json"
    )
    assert answer.json["examined"] == 2
    assert town.statuses() == {"1": "paid", "2": "pending", "3": "paid"}
    assert second not in answer.out


def test_csv(town: Town) -> None:
    """--format csv has a line for each decision."""
    intent = town.pay(1)
    (row,) = csv.DictReader(io.StringIO(town.run("sweep", "--format", "csv").out))
    assert (row["decision"], row["payment_intent"], row["payment"], row["to_status"]) == (
        "correct",
        intent,
        "1",
        "paid",
    )


def test_exit_code(town: Town) -> None:
    """--exit-code exits with 1 if something disagrees, and with 0 after it was corrected."""
    town.pay(1)
    assert town.run("sweep", "--exit-code").code == 1
    assert town.run("sweep", "--exit-code", "--apply").code == 0
    assert town.run("sweep", "--exit-code").code == 0


def test_a_kind_and_a_range(town: Town) -> None:
    """--kind and --since restrict a sweep."""
    town.pay(1)
    answer = town.run("sweep", "--kind", "window", "--since", "30m", "--json")
    assert (answer.json["kind"], answer.json["examined"]) == ("window", 0)
    answer = town.run("sweep", "--kind", "window", "--since", "2h", "--json")
    assert answer.json["examined"] == 1


def test_since_after_until_by_stripes_clock(town: Town) -> None:
    """An empty range that only Stripe's clock can find is a usage error too."""
    answer = town.run("sweep", "--since", "1h", "--until", "2020-01-01")
    assert answer.code == 64
    assert "is not before" in answer.err
    assert answer.out == ""


@pytest.mark.parametrize("key", ["sk_test_unknown_to_stripe", LIVE_KEY])
def test_a_wrong_key(town: Town, key: str) -> None:
    """A key that Stripe does not know, or of the other mode: exit 78, a report, and nothing written."""
    for number in range(12):
        town.pay(number + 1)
    town.environ["STRIPE_API_KEY"] = key
    answer = town.run("sweep", "--apply", "--kind", "due", "--json")
    assert answer.code == 78
    assert answer.json["complete"] is False
    assert answer.json["stopped"]
    assert answer.json["corrected"] == 0
    assert answer.err.startswith("reconciler: account default: ")
    assert set(town.statuses().values()) == {"pending"}
    assert town.ask("SELECT count(*) FROM reconciler.discrepancies") == [(0,)]


def test_an_unavailable_database(town: Town) -> None:
    """Without a database a sweep exits with 75, says what it could not reach, and prints its report."""
    answer = town.run("sweep", "--json", DATABASE_URL="postgresql://127.0.0.1:9/shop")
    assert answer.code == 75
    assert answer.json["complete"] is False
    assert "127.0.0.1:9" in answer.err


def test_a_mapping_that_does_not_fit(town: Town) -> None:
    """A column that does not exist is named before Stripe is asked: exit 78."""
    answer = town.run("sweep", RECONCILER_PAYMENTS__STATUS="state")
    assert answer.code == 78
    assert "no column state" in answer.err
    assert town.stripe.requests.count() == 0


def test_a_payment_that_cannot_be_read_does_not_stop_the_others(
    town: Town, short_retry_waits: None
) -> None:
    """The payment that was not examined is named, the others are corrected, and the sweep exits with 75."""
    broken, whole = town.pay(1), town.pay(2)
    town.stripe.faults.script(RequestFault.MALFORMED, times=100, target=broken)
    answer = town.run("sweep", "--kind", "due", "--apply", "--json")
    assert answer.code == 75
    assert answer.json["complete"] is False
    assert answer.json["unexamined"] == 1
    assert town.statuses() == {"1": "pending", "2": "paid"}
    text = town.run(
        "sweep", "--kind", "due", "--payment-intent", broken, "--payment-intent", whole
    ).out
    assert broken in text


def test_several_accounts(town: Town) -> None:
    """A sweep covers every account in turn; a wrong key of one account does not prevent the sweep of another."""
    town.shop.execute("ALTER TABLE public.payments ADD account text")
    intent = town.pay(1)
    town.shop.execute("UPDATE public.payments SET account = 'eu'")
    (town.folder / "us.key").write_text("sk_test_wrong_key_entirely")
    accounts = '[[accounts]]\nname = "eu"\n[[accounts]]\nname = "us"\nkey_file = "us.key"\n'
    town.configure(accounts)
    answer = town.run("sweep", "--apply", "--json", RECONCILER_PAYMENTS__ACCOUNT="account")
    assert answer.code == 78
    assert (answer.json["corrected"], answer.json["complete"]) == (1, False)
    assert [one["account"] for one in answer.json["accounts"]] == ["eu", "us"]
    assert "account us" in answer.err
    assert intent not in answer.err
    assert town.statuses() == {"1": "paid"}
    alone = town.run("sweep", "--account", "eu", "--json", RECONCILER_PAYMENTS__ACCOUNT="account")
    assert (alone.code, alone.json["account"]) == (0, "eu")


@contextmanager
def stuck_after_three_answers(town: Town) -> Iterator[threading.Event]:
    """Stripe answers three requests and no other until the end of the block. The event says that another one waits."""
    numbers, waits, end = itertools.count(1), threading.Event(), threading.Event()

    def hold(_endpoint: str, _target: str) -> None:
        if next(numbers) > 3:
            waits.set()
            end.wait(60)

    town.stripe.before_answer = hold
    try:
        yield waits
    finally:
        town.stripe.before_answer = None
        end.set()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_an_interrupted_sweep(town: Town, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM ends a sweep with its report so far, exit 75 and no traceback."""
    intents = [town.pay(key + 1) for key in range(10)]
    named = [word for intent in intents for word in ("--payment-intent", intent)]
    process = town.start("sweep", *named, "--json")
    try:
        with stuck_after_three_answers(town) as waits:
            assert waits.wait(60)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 75
    assert '"complete": false' in out
    assert "interrupted" in err
    assert "Traceback" not in err


@pytest.mark.long
def test_a_closed_terminal_gives_the_lease_back(town: Town) -> None:
    """SIGHUP ends a sweep that writes as Ctrl-C does: its pages are whole, and the account is free at once."""
    intents = [town.pay(key + 1) for key in range(10)]
    named = [word for intent in intents for word in ("--payment-intent", intent)]
    process = town.start("sweep", "--apply", "--yes", *named, "--json")
    held = "SELECT count(*) FROM reconciler.leases WHERE expires_at > now()"
    try:
        with stuck_after_three_answers(town) as waits:
            assert waits.wait(60)
            assert town.ask(held) == [(1,)]
            process.send_signal(signal.SIGHUP)
            out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, '"complete": false' in out) == (75, True), err
    assert "Traceback" not in err
    assert town.ask(held) == [(0,)]
    assert town.run("sweep", "--apply", "--yes").code == 0
    assert set(town.statuses().values()) == {"paid"}


def test_since_after_until_asks_nothing_of_stripe(town: Town) -> None:
    """An empty range is a usage error before Stripe is asked."""
    answer = town.run("sweep", "--since", "2026-02-01", "--until", "2026-01-01")
    assert answer.code == 64
    assert town.stripe.requests.count() == 0
