"""A customer is on the phone: explain finds the payment by any of its names, and shows all that is known of it."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from typing import Any

from reconciler.sandbox.state.checkout import Checkout
from tests.acceptance.cli.conftest import CONFIGURATION, HOUR_AGO, Town
from tests.acceptance.installation import Answer
from tests.unit.gateway.raw_server import RawServer

LINKED = CONFIGURATION.replace(
    'order = "order_id"', 'order = "order_id"\nlink_metadata = "order_id"'
)


def explained(town: Town, *arguments: str) -> dict[str, Any]:
    answer = town.run("explain", *arguments, "--json")
    assert answer.code == 0, answer.err
    found = answer.json
    assert isinstance(found, dict)
    return found


def command_of(answer: Answer) -> list[str]:
    """The command that an answer ends with, without the program's name."""
    commands = re.findall(r"(reconciler [a-z].*)$", answer.out, re.MULTILINE)
    assert commands, answer.out
    return shlex.split(commands[-1])[1:]


def test_every_name_of_a_payment(town: Town) -> None:
    """PaymentIntent, charge, Checkout Session, row key, order and discrepancy name the same payment."""
    town.configure(text=LINKED)
    intent = town.pay(1, order="order 977")
    number = found_number(town)
    by_intent = explained(town, intent)
    assert by_intent["read_as"] == ["PaymentIntent"]
    charge = by_intent["attempts"][0]["id"]
    for name, read_as in ((charge, "charge"), ("1", "row key"), ("order 977", "order")):
        found = explained(town, name)
        assert (found["payment_intent"], found["read_as"]) == (intent, [read_as])
        assert [row["key"] for row in found["local"]] == ["1"]
        assert [item["event"] for item in found["history"]] == ["found"]
    assert explained(town, "--discrepancy", str(number))["payment_intent"] == intent

    checkout = Checkout(town.stripe)
    session = checkout.create(1250, "eur", at=HOUR_AGO)
    checkout.complete(session.id, at=HOUR_AGO)
    unknown_here = explained(town, session.id)
    assert unknown_here["stripe"]["status"] == "succeeded"
    assert unknown_here["local"] == []
    town.shop.insert(key=2, payment_intent=session.id, status="pending")
    held = explained(town, "2")
    assert held["payment_intent"] == unknown_here["payment_intent"]
    assert held["decision"]["act"] == "correct"
    linked = town.stripe.create_payment(1250, "eur", metadata={"order_id": "order 9"}, at=HOUR_AGO)
    town.stripe.succeed(linked.id, at=HOUR_AGO)
    town.shop.insert(key=3, payment_intent=None, status="pending", order="order 9")
    assert explained(town, "order 9")["payment_intent"] == linked.id


def test_an_order_that_was_not_paid(town: Town) -> None:
    """An unpaid intent is explained with the row of its order, as a sweep matches them: the newest attempt alone is it."""
    town.configure(text=LINKED)
    town.shop.insert(key=1, payment_intent=None, status="pending", order="order 7")
    attempts = [
        town.stripe.create_payment(
            1250, "eur", metadata={"order_id": "order 7"}, at=HOUR_AGO - timedelta(minutes=minutes)
        ).id
        for minutes in (9, 3)
    ]
    town.stripe.fail(attempts[1], at=HOUR_AGO)
    declined = town.run("explain", attempts[1])
    assert "The row says incomplete, and Stripe says failed; the decision table" in declined.out
    assert "no row" not in declined.out
    town.stripe.cancel(attempts[1], at=HOUR_AGO)
    assert explained(town, "order 7")["decision"]["to_status"] == "canceled"
    # the older attempt was given up for the newer one, and is not the row's
    older = town.run("explain", attempts[0])
    assert "no row holds this PaymentIntent" in older.out


def found_number(town: Town) -> int:
    town.run("sweep", "--record")
    ((number,),) = town.ask("SELECT id FROM reconciler.discrepancies")
    assert isinstance(number, int)
    return number


def test_a_value_that_is_a_key_and_an_order(town: Town) -> None:
    """Both payments are shown whole, after a list that says what the value is to each."""
    first, second = town.pay(1, order="5"), town.pay(5, order="other")
    answer = town.run("explain", "5")
    assert answer.code == 0
    assert answer.out.startswith('"5" names 2 payments.')
    listed = answer.out.split("\n\n")[1].splitlines()
    assert [line.split()[:3] for line in listed[1:]] == [
        ["row", "key", "default"],
        ["order", "default", "1"],
    ]
    assert answer.out.count("Decision: correct") == 2
    found = explained(town, "5")
    assert found["payment_intent"] == second
    assert [one["payment_intent"] for one in found["others"]] == [first]
    assert [one["read_as"] for one in found["matches"]] == [["row key"], ["order"]]


def test_what_names_nothing(town: Town) -> None:
    """A text that no row of any account has is a usage error; a secret is not looked for, and not shown."""
    answer = town.run("explain", "order 1")
    assert answer.code == 64
    assert "No row of any account has the key or the order" in answer.err
    assert town.run("explain", "--discrepancy", "9").code == 64
    assert town.run("explain").code == 64
    assert town.run("explain", "1", "--discrepancy", "9").code == 64
    nowhere = town.run("explain", "cs_test_unknown")
    assert nowhere.code == 0
    assert "no row of any account holds this id" in nowhere.out


def test_history(town: Town) -> None:
    """One time line: found, corrected, queued, delivered, reverted, noted, resolved and reopened, each with who did it."""
    intent = town.pay(1)
    town.run("sweep", "--apply", "--by", "Ana")
    ((sweep,),) = town.ask("SELECT id FROM reconciler.sweeps")
    ((number,),) = town.ask("SELECT id FROM reconciler.discrepancies")
    town.shop.execute("UPDATE reconciler.outbox SET delivered_at = now()")
    town.run("revert", str(sweep))
    town.shop.execute(
        "INSERT INTO reconciler.notes (account, discrepancy, note) VALUES ('default', 1, 'asked Bo')"
    )
    town.run("resolve", str(number), "--note", "by hand")
    said = town.run("reopen", str(number)).out
    assert (
        f"To see what Reconciler decides about it now: reconciler sweep --payment-intent {intent}\n"
        in said
    )
    found = explained(town, intent)
    happened = [item["event"] for item in found["history"]]
    assert happened == [
        "found",
        "corrected",
        "queued",
        "delivered",
        "reverted",
        "queued",
        "note",
        "resolved",
        "reopened",
    ]
    corrected = found["history"][1]
    assert (corrected["from"], corrected["to"], corrected["sweep"]) == ("pending", "paid", sweep)
    assert corrected["claimed_by"] == "Ana"
    assert "@" in corrected["by"]
    assert [item["reason"] for item in found["history"] if item["event"] == "queued"] == [
        "delivered",
        "waiting",
    ]
    text = town.run("explain", "1").out
    assert f"corrected payment 1: pending -> paid, by sweep {sweep}" in text
    assert f"reverted payment 1: paid -> pending, a correction of sweep {sweep}" in text
    assert "note on discrepancy 1: asked Bo" in text
    assert text.index("History") < text.index("Stripe\n") < text.index("What to do next")


def test_event_without_an_endpoint(town: Town) -> None:
    """Stripe has nothing left to deliver where there is no endpoint, so an event is not called delivered."""
    paid = town.stripe.create_payment(1250, "eur")
    town.stripe.succeed(paid.id)
    town.shop.insert(key=1, payment_intent=paid.id, status="pending")
    text = town.run("explain", paid.id).out
    assert "payment_intent.succeeded  nothing pending" in text
    # the row waits for its webhook, and a sweep may come later than that
    assert "a sweep decides again, not before" in text


def test_stripe_is_unavailable(town: Town) -> None:
    """The local side and the history are shown all the same, on time, and the exit code is 75."""
    intent = town.pay(1)
    town.run("sweep", "--apply")
    with RawServer(lambda _: iter(())) as silent:
        answer = town.run(
            "explain", intent, "--timeout", "1.5", RECONCILER_STRIPE__API_BASE=silent.url
        )
        as_json = town.run(
            "explain", "1", "--json", "--timeout", "1.5", RECONCILER_STRIPE__API_BASE=silent.url
        )
    assert answer.code == as_json.code == 75
    assert "corrected payment 1: pending -> paid" in answer.out
    assert "Stripe did not answer within 1.5 s." in answer.err
    assert answer.err.splitlines()[-1] == "hint: Try again, or wait longer with --timeout SECONDS."
    again = "reconciler explain {} --timeout 120"
    step = as_json.json["next_step"]
    assert step["command"] == again.format(1)
    assert "Decide nothing about the money yet" in step["text"]
    assert "outbox row 1 written for payment 1: waiting." in step["text"]
    assert as_json.json["dashboard_url"].endswith(f"/test/payments/{intent}")
    assert f"What to do next: {step['text']}\n  {again.format(intent)}\n" in answer.out
    assert as_json.json["stripe"] is None
    assert as_json.json["error"].startswith("Stripe did not answer")
    assert [item["event"] for item in as_json.json["history"]] == ["found", "corrected", "queued"]


def test_both_sides_agree_again(town: Town) -> None:
    """The application has written the row since: nothing is to be accepted, and the command closes what is still open."""
    town.pay(1)
    town.run("sweep", "--record")
    town.shop.execute("UPDATE payments SET status = 'paid'")
    found = explained(town, "1")
    assert (found["decision"]["act"], found["decision"]["discrepancy"]) == ("keep", None)
    assert "discrepancy 1 is still open" in found["rule"]
    program, *command = found["next_step"]["command"].split()
    assert program == "reconciler"
    assert town.run(*command).code == 0
    assert town.ask("SELECT state FROM reconciler.discrepancies") == [("closed",)]
    assert explained(town, "1")["next_step"]["text"] == "Nothing: both sides agree."


def test_a_complaint_at_night(town: Town) -> None:
    """The way of the pages: the order, a dry sweep of its payment, the hint's own command, and the history of it all."""
    intent = town.pay(1, order="977")
    town.pay(2, order="978")
    complaint = town.run("explain", "977")
    assert "Decision: correct" in complaint.out
    dry = town.run("sweep", "--payment-intent", intent)
    assert dry.code == 0
    hint = command_of(dry)
    assert hint == command_of(complaint) == ["sweep", "--apply", "--payment-intent", intent]
    assert town.run(*hint).code == 0
    assert town.statuses() == {"1": "paid", "2": "pending"}
    after = town.run("explain", "977").out
    assert "corrected payment 1: pending -> paid" in after
    assert "for payment 1: waiting" in after
    assert "Nothing: both sides agree." in after
