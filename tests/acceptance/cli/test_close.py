"""One person prepares a period, another one signs it, and what is found later never changes what was signed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from reconciler.adapters.postgres.audit.period_ledger import PostgresPeriodLedger
from reconciler.adapters.postgres.database import Database
from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.statement.close_state import Refusal, Signing
from reconciler.domain.statement.period import Period
from reconciler.engine.actions.close_period import Closer, CloseRefusedError, prepare, sign
from reconciler.entrypoints.cli import close as close_command
from tests.acceptance.cli.conftest import Town
from tests.some_quick import some_quick

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)
DAY = NOON.date().isoformat()
PEOPLE = '\n[review.people]\nana = ["os:ana", "os:ana2"]\nben = ["os:ben"]\n'
Act = Callable[..., Any]


def pay(town: Town, key: int | None, status: str = "paid", amount: int = 1000) -> str:
    """A payment of three days ago that was paid at Stripe; without a row if there is no key."""
    intent = town.stripe.create_payment(amount, "eur", at=NOON)
    town.stripe.succeed(intent.id, at=NOON)
    if key is not None:
        row = {"created": NOON.isoformat(), "status": status, "amount": amount}
        town.shop.insert(key=key, payment_intent=intent.id, **row)
    return intent.id


def examine(town: Town) -> None:
    assert town.run("sweep", "--kind", "window", "--record").code == 0


@pytest.fixture
def as_user(town: Town, monkeypatch: pytest.MonkeyPatch) -> Act:
    """Run close about the day as a user of the operating system; its JSON, or the code of the refusal."""
    town.configure(PEOPLE)

    def run(user: str, *options: str, code: int = 0) -> Any:
        monkeypatch.setattr(close_command, "login_user", lambda: user)
        answer = town.run("close", "--from", DAY, "--to", DAY, "--json", *options)
        assert answer.code == code, answer.err
        if "refused" in answer.out:
            found = answer.json
            assert f"{found['refused']}: " in answer.err
            return found["refused"]
        (found,) = answer.json
        return found

    return run


def test_a_period_is_closed_and_what_is_found_later_is_shown_beside_it(
    town: Town, as_user: Act
) -> None:
    """open, prepared, signed, changed_since_signed with the difference, reopened, and signed again; each an entry."""
    pay(town, 1)
    examine(town)
    assert as_user("ana", "--show")["state"] == "open"
    assert as_user("ana", "--prepare", "--note", "all cleared")["state"] == "prepared"
    signed = as_user("ben", "--sign", "--by", "Ben Roe")
    assert (signed["state"], signed["changes"]) == ("signed", [])
    assert signed["figures"]["eur"]["local"] == signed["figures"]["eur"]["stripe"] == 1000
    prepared, signature = signed["steps"]
    assert (prepared["person"], prepared["note"]) == ("ana", "all cleared")
    assert (signature["person"], signature["claimed_by"]) == ("ben", "Ben Roe")
    assert as_user("ana", "--prepare", code=1) == "already_signed"
    assert as_user("ana", "--sign", code=1) == "already_signed"

    # a payment that was paid after the cut-off is a subsequent event: it changes nothing
    paid_later = town.stripe.create_payment(500, "eur", at=NOON)
    town.stripe.succeed(paid_later.id, at=datetime.now(UTC))
    late = pay(town, None, amount=99)
    examine(town)
    changed = as_user("ana", "--diff", code=1)
    assert changed["state"] == "changed_since_signed"
    assert changed["figures"] == signed["figures"]
    assert {(one["figure"], one["before"], one["now"]) for one in changed["changes"]} == {
        ("late", 0, -99), ("late_items", 0, 1),
    }  # fmt: skip
    assert [(one["subject"], one["change"]) for one in changed["late"]] == [(late, {"eur": -99})]
    text = town.run("close", "--from", DAY, "--to", DAY).out
    assert "changed_since_signed" in text
    assert "EUR late: was 0.00 EUR, is now -0.99 EUR" in text

    reopened = as_user("ben", "--reopen", "--note", "one payment was found late")
    assert reopened["state"] == "reopened"
    assert as_user("ben", "--reopen", "--note", "x", code=1) == "not_closed"
    assert as_user("ben", "--prepare")["figures"]["eur"]["late_items"] == 0
    again = as_user("ana", "--sign")
    assert (again["state"], again["figures"]["eur"]["difference"]) == ("signed", -599)
    assert [one["step"] for one in again["steps"]] == [
        "prepared", "signed", "reopened", "prepared", "signed",
    ]  # fmt: skip
    assert town.run("verify").code == 0


def test_overlapping_periods_are_named_and_listed(town: Town, as_user: Act) -> None:
    """A person who prepares or signs days that are signed already is told, and --list has every period with its state."""
    pay(town, 1)
    examine(town)
    nothing = town.run("close", "--list")
    assert (nothing.code, "No person has prepared a period yet." in nothing.out) == (0, True)
    as_user("ana", "--prepare")
    assert as_user("ben", "--sign")["overlaps"] == []
    before = (NOON - timedelta(days=1)).date().isoformat()
    wider = town.run("close", "--from", before, "--to", DAY, "--prepare")
    assert (
        f"The period from {DAY} to {DAY} shares days with this one. It was signed by ben at"
        in wider.out
    )
    listed = town.run("close", "--list", "--json").json
    found = {(one["period"]["first"], one["state"]): one["overlaps"] for one in listed}
    assert [one["first"] for one in found[before, "prepared"]] == [DAY]
    assert found[DAY, "signed"] == []
    pay(town, None, amount=99)
    examine(town)
    text = town.run("close", "--list").out
    assert "changed_since_signed" in text
    assert text.index(f"{before} to {DAY}") > 0
    assert town.run("close", DAY[:7], "--list").code == 64


def refund(town: Town, key: int, intent: str, at: datetime | None = None) -> None:
    """Both sides learn of a refund, so that there is no finding."""
    town.stripe.refund(intent, at=at)
    town.shop.execute(f"UPDATE public.payments SET status = 'refunded' WHERE id = '{key}'")


def test_a_late_refund_of_a_payment_that_agreed(town: Town, as_user: Act) -> None:
    """After the cut-off it is a subsequent event with its payment, its money and its time, and the signed version stays. The refund of
    another payment happened before the cut-off, and no sweep had seen it: the period is changed since it was signed."""
    early, late, disputed = pay(town, 1), pay(town, 2), pay(town, 3)
    examine(town)
    refund(town, 1, early, at=datetime.now(UTC) - timedelta(hours=1))
    as_user("ana", "--prepare")
    signed = as_user("ben", "--sign")
    cutoff = ("--cutoff", signed["cutoff"])
    refund(town, 2, late)
    town.stripe.dispute(disputed, status="lost")
    assert town.run("sweep", "--kind", "tail", "--since", "7d", "--record").code == 0
    assert as_user("ana", "--show")["state"] == "signed"

    examine(town)
    found = statement(town, *cutoff)
    (eur,) = found["currencies"]
    assert (eur["refunded"], eur["disputed"], eur["subsequent"]) == (0, 0, [])
    assert {
        (one["payment"], one["figure"], one["amount_before"], one["amount_after"])
        for one in eur["subsequent_money"]
    } == {
        (early, "refunded", 0, 1000),
        (late, "refunded", 0, 1000),
        (disputed, "disputed", 0, 1000),
    }
    by_payment = {one["payment"]: one for one in eur["subsequent_money"]}
    assert by_payment[early]["dated"] < signed["cutoff"]
    # a sweep takes an event after the grace, so the date of the others is not known yet
    assert (by_payment[late]["dated"], by_payment[late]["at"] > signed["cutoff"]) == (None, True)
    assert found["days_examined_later"] == [DAY]

    changed = as_user("ana", "--diff", code=1)
    assert (changed["state"], changed["figures"]) == ("changed_since_signed", signed["figures"])
    assert {(one["figure"], one["now"]) for one in changed["changes"]} == {
        ("late_items", 1),
        ("late_money_back", 1000),
    }
    assert [(one["subject"], one["kind"], one["money_back"]) for one in changed["late"]] == [
        (early, "refunded", {"eur": 1000})
    ]
    text = town.run("statement", "--from", DAY, "--to", DAY, *cutoff).out
    assert "refunded by Stripe 20.00 EUR more" in text
    assert (
        f"refunded by Stripe: {late}, created on {DAY}: 0.00 EUR at the cut-off, 10.00 EUR as seen; some time after"
        in text
    )

    # what was known then has none of it
    (then,) = statement(town, *cutoff, "--as-of", signed["cutoff"])["currencies"]
    assert then["subsequent_money"] == []
    bundle = town.folder / "late.zip"
    assert town.run("export", "--bundle", str(bundle), "--month", DAY[:7]).code in {0, 75}
    assert town.run("verify", "--file", str(bundle)).code == 0


def statement(town: Town, *options: str) -> Any:
    """The statement of the day as JSON."""
    answer = town.run("statement", "--from", DAY, "--to", DAY, *options, "--json")
    assert answer.code == 0, answer.err
    (found,) = answer.json
    return found


def test_what_is_refused(town: Town, as_user: Act) -> None:
    """Each refusal has its code and exit 1, and nothing is stored."""
    pay(town, 1)
    assert "no sweep has recorded" in town.run("close", "--from", DAY, "--to", DAY, "--prepare").err
    town.run("sweep", "--kind", "due", "--record")
    assert as_user("ana", "--prepare", code=1) == "days_not_examined"
    examine(town)
    assert as_user("eve", "--prepare", code=1) == "unknown_actor"
    assert as_user("ana", "--sign", code=1) == "not_prepared"
    assert as_user("ana", "--prepare", "--cutoff", DAY, code=1) == "period_not_ended"
    assert as_user("ana", "--prepare")["state"] == "prepared"
    assert as_user("eve", "--sign", code=1) == "unknown_actor"
    assert as_user("ana2", "--sign", code=1) == "same_person"

    pay(town, None, amount=99)
    examine(town)
    assert as_user("ben", "--sign", code=1) == "changed_since_prepared"
    assert as_user("ana", "--prepare")["state"] == "prepared"
    town.shop.execute(
        "ALTER TABLE reconciler.ledger DISABLE TRIGGER ALL;"
        ' UPDATE reconciler.ledger SET body = body || \'{"note": "x"}\' WHERE seq = 1'
    )
    assert as_user("ben", "--sign", code=1) == "ledger_broken"
    assert as_user("ben", "--show")["state"] == "prepared"
    today = datetime.now(UTC).date().isoformat()
    answer = town.run("close", "--from", DAY, "--to", today, "--prepare")
    assert (answer.code, "period_not_ended" in answer.err) == (1, True)


def test_two_people_who_sign_at_once(town: Town, as_user: Act) -> None:
    """One signature is stored, and the other person is told."""
    pay(town, 1)
    examine(town)
    as_user("ana", "--prepare")
    signing = Signing({}, {}, {"ben": ("os:ben",), "cid": ("os:cid",)})
    period = Period(NOON.date(), NOON.date(), UTC)

    with Database(town.shop.url) as database:
        ledger = PostgresPeriodLedger(database, "default")
        steps = ledger.steps(period)
        # both have read the same steps before either has written
        ledger.steps = lambda _: steps  # type: ignore[method-assign]

        def try_to_sign(user: str) -> str:
            closer = Closer(AskedBy(user), f"os:{user}", signing)
            try:
                sign(ledger, period, datetime.now(UTC), closer)
            except CloseRefusedError as refused:
                return refused.code
            return "signed"

        with ThreadPoolExecutor(2) as pool:
            answers = sorted(pool.map(try_to_sign, ("ben", "cid")))
        assert answers == [Refusal.CHANGED_MEANWHILE.value, "signed"]
        assert [step.action for step in PostgresPeriodLedger(database, "default").steps(period)] == [
            "period_prepared", "period_signed",
        ]  # fmt: skip
        with pytest.raises(CloseRefusedError, match="changed_meanwhile"):
            prepare(ledger, period, datetime.now(UTC), datetime.now(UTC), Closer(AskedBy("b"), "os:ben", signing))  # fmt: skip


def test_a_period_is_prepared_while_a_sweep_writes(town: Town, as_user: Act) -> None:
    """What the sweep stores has the time at which it began to, before the cut-off: the version that did not see it is not signed."""
    pay(town, 1)
    examine(town)
    entries = town.ask(
        "SELECT action, body FROM reconciler.ledger WHERE action IN ('day_totals', 'sweep') ORDER BY seq"
    )
    changed = {"sweep": 99, "refunded": 300}
    bodies = [canonical_json({**body, **changed}) for _, body in entries]
    with psycopg.connect(town.shop.url) as sweep:
        sweep.execute("SELECT 1")
        assert as_user("ana", "--prepare")["state"] == "prepared"
        append = "SELECT reconciler.append_entries('default', %s, %s)"
        sweep.execute(append, [[action for action, _ in entries], bodies])
    assert as_user("ben", "--sign", code=1) == "changed_since_prepared"
    assert as_user("ana", "--prepare")["figures"]["eur"]["refunded"] == 300
    assert as_user("ben", "--sign")["state"] == "signed"


@some_quick(
    "options",
    [
        ("--prepare", "--sign"),
        ("--reopen",),
        ("--sign", "--cutoff", "2026-01-01"),
        ("--sign", "--note", "x"),
        ("--prepare", "--cutoff", "5d"),
        ("--prepare", "--cutoff", "2199-01-01"),
    ],
    quick=2,
)
def test_options_that_contradict_each_other(town: Town, options: tuple[str, ...]) -> None:
    """A wrong command line ends with 64 before anything is read from the ledger."""
    examine(town)
    answer = town.run("close", "2026-10", *options)
    assert (answer.code, answer.out) == (64, "")
