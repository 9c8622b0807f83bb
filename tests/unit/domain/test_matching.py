"""Which rows belong to which intent, by id and by order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.domain.findings.discrepancy import Kind, State, StoredDiscrepancy
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Keep, decide
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.matching import match_by_id, match_by_order, reportable_without_row

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
EVERYTHING = TimeRange(NOW - timedelta(days=30))
RULES = Rules(
    statuses=StatusMap({"pending": Outcome.INCOMPLETE, "paid": Outcome.SUCCEEDED}, {}),
    grace=timedelta(minutes=2),
    horizon=timedelta(days=30),
    metadata={"app": "shop"},
    link_metadata="order_id",
)


def an_intent(
    ident: str, status: str = "succeeded", order: str | None = "7", age: int = 60
) -> Intent:
    metadata = {"app": "shop"} | ({} if order is None else {"order_id": order})
    return Intent(
        id=ident,
        status=status,
        amount=500,
        amount_received=500 if status == "succeeded" else 0,
        amount_capturable=0,
        currency="eur",
        created=NOW - timedelta(minutes=age),
        livemode=False,
        seen_at=NOW,
        metadata=metadata,
    )


def a_row(
    key: str, intent: str | None = None, order: str | None = "7", paid: bool = False
) -> Payment:
    return Payment(
        account="default",
        key=key,
        payment_intent=intent,
        status="paid" if paid else "pending",
        outcome=Outcome.SUCCEEDED if paid else Outcome.INCOMPLETE,
        amount=500,
        currency="eur",
        created=NOW - timedelta(hours=2),
        order=order,
    )


def loaded(
    *rows: Payment, claimable: tuple[Payment, ...] = (), paid: tuple[Payment, ...] = ()
) -> Loaded:
    return Loaded(rows, claimable, paid, (), (), NOW)


def linked(
    *intents: Intent, rows: tuple[Payment, ...], listed: TimeRange | None = EVERYTHING
) -> dict[str, Match]:
    matches = match_by_order("default", intents, loaded(claimable=rows), RULES, listed)
    assert sorted(match.intent.id for match in matches) == sorted(one.id for one in intents)
    return {match.intent.id: match for match in matches}


def test_rows_that_hold_one_intent_are_examined_together() -> None:
    """Two rows that hold the same intent are one match."""
    (match,) = match_by_id(
        "default", [an_intent("pi_1")], loaded(a_row("2", "pi_1"), a_row("1", "pi_1")), {}
    )
    assert match.keys == ("1", "2")


def test_the_order_is_that_of_the_first_row_with_one() -> None:
    """Of two rows that hold one intent, the first has no order."""
    rows = loaded(a_row("1", "pi_1", order=None), a_row("2", "pi_1", order="8"))
    (match,) = match_by_id("default", [an_intent("pi_1")], rows, {})
    assert match.order == "8"


def test_an_intent_without_a_row_is_a_match_without_rows() -> None:
    """Rows of other intents do not belong to it."""
    one, other = match_by_id(
        "default", [an_intent("pi_1"), an_intent("pi_2")], loaded(a_row("1", "pi_1")), {}
    )
    assert one.keys == ("1",)
    assert other.keys == ()


def test_paid_siblings_come_from_the_table_and_from_the_page() -> None:
    """A sibling is paid if its row says so or if Stripe says so on the same page. No intent is its own sibling."""
    rows = (a_row("1", "pi_1"), a_row("2", "pi_2"))
    matches = match_by_id(
        "default",
        [an_intent("pi_1"), an_intent("pi_2")],
        loaded(*rows, paid=(a_row("3", "pi_3", paid=True),)),
        {},
    )
    assert [sorted(s.payment_intent for s in match.siblings) for match in matches] == [
        ["pi_2", "pi_3"],
        ["pi_1", "pi_3"],
    ]


def test_one_intent_and_one_row_of_its_order_are_linked() -> None:
    """A row that holds no intent is found by its order."""
    match = linked(an_intent("pi_1"), rows=(a_row("1"),))["pi_1"]
    assert match.keys == ("1",)
    assert not match.contested


def test_two_rows_of_one_order_are_contested() -> None:
    """Nothing shows which of the rows was paid."""
    match = linked(an_intent("pi_1"), rows=(a_row("1"), a_row("2")))["pi_1"]
    assert match.contested
    assert match.keys == ("1", "2")


def test_two_paid_intents_of_one_order_are_contested() -> None:
    """Both took money for one row, so a person decides."""
    matches = linked(an_intent("pi_1"), an_intent("pi_2"), rows=(a_row("1"),))
    assert all(match.contested and match.keys == ("1",) for match in matches.values())


def test_if_an_intent_was_paid_only_paid_intents_come_into_question() -> None:
    """A later attempt that failed or was canceled does not take the row from the intent that was paid."""
    matches = linked(
        an_intent("pi_paid", age=60),
        an_intent("pi_canceled", "canceled", age=10),
        an_intent("pi_open", "requires_payment_method", age=5),
        rows=(a_row("1"),),
    )
    assert {ident: match.keys for ident, match in matches.items()} == {
        "pi_paid": ("1",),
        "pi_canceled": (),
        "pi_open": (),
    }
    assert not matches["pi_paid"].contested


def test_without_a_paid_intent_only_the_newest_comes_into_question() -> None:
    """The customer gave up the older attempts."""
    matches = linked(
        an_intent("pi_old", "canceled", age=60),
        an_intent("pi_new", "canceled", age=10),
        rows=(a_row("1"),),
    )
    assert matches["pi_new"].keys == ("1",)
    assert matches["pi_old"].keys == ()


def test_an_unpaid_intent_is_not_linked_if_others_may_be_unseen() -> None:
    """A list that begins after the row, or that ends before now, may not show the intent that was paid."""
    canceled = an_intent("pi_1", "canceled")
    for listed in (
        None,
        TimeRange(NOW - timedelta(hours=2)),
        TimeRange(NOW - timedelta(days=30), NOW - timedelta(minutes=1)),
    ):
        assert linked(canceled, rows=(a_row("1"),), listed=listed)["pi_1"].keys == ()


def test_a_paid_intent_is_linked_without_a_list() -> None:
    """Money was taken for the order, so other attempts do not matter."""
    assert linked(an_intent("pi_1"), rows=(a_row("1"),), listed=None)["pi_1"].keys == ("1",)


def test_an_intent_that_names_no_order_or_an_unknown_one_stays_without_a_row() -> None:
    """Without an order that a row has, no row is found."""
    matches = linked(
        an_intent("pi_1", order=None), an_intent("pi_2", order="8"), rows=(a_row("1"),)
    )
    assert all(match.payments == () for match in matches.values())


def test_an_intent_of_another_program_is_not_linked() -> None:
    """An intent without the configured metadata is neither reported without a row nor linked to one."""
    foreign = replace(an_intent("pi_1"), metadata={"order_id": "7"})
    assert not reportable_without_row(foreign, RULES)
    assert linked(foreign, rows=(a_row("1"),))["pi_1"].keys == ()


def _named(match: Match) -> tuple[str, object, tuple[str, ...], str | None, set[str], bool]:
    """Everything that a match says, with siblings by their intents."""
    siblings = {sibling.payment_intent for sibling in match.siblings}
    return (match.account, match.intent, match.keys, match.order, siblings, match.contested)


def test_every_intent_of_an_order_has_the_others_as_siblings() -> None:
    """Paid intents of one order know each other, never themselves; also those of an order that no row has."""
    paid = [
        an_intent("pi_1"),
        an_intent("pi_2"),
        an_intent("pi_8", order="8"),
        an_intent("pi_9", order="8"),
    ]
    tried = an_intent("pi_3", "canceled")
    matches = linked(*paid, tried, rows=(a_row("1"),))
    assert {ident: _named(match) for ident, match in matches.items()} == {
        "pi_1": ("default", paid[0], ("1",), "7", {"pi_2"}, True),
        "pi_2": ("default", paid[1], ("1",), "7", {"pi_1"}, True),
        "pi_3": ("default", tried, (), "7", {"pi_1", "pi_2"}, False),
        "pi_8": ("default", paid[2], (), "8", {"pi_9"}, False),
        "pi_9": ("default", paid[3], (), "8", {"pi_8"}, False),
    }


def test_an_intent_that_was_not_paid_has_the_paid_one_as_its_sibling() -> None:
    """The row of the first attempt and that of the second belong to one order, and only the second was paid."""
    intents = [an_intent("pi_1", "canceled"), an_intent("pi_2")]
    rows = loaded(a_row("1", "pi_1"), a_row("2", "pi_2"))
    first, second = match_by_id("default", intents, rows, {})
    assert _named(first) == ("default", intents[0], ("1",), "7", {"pi_2"}, False)
    assert _named(second) == ("default", intents[1], ("2",), "7", set(), False)


def test_a_sibling_counts_once_and_a_row_without_an_intent_by_itself() -> None:
    """What the table and Stripe say of one intent is one sibling. Two paid rows without an intent are two."""
    paid = (a_row("2", "pi_2", paid=True), a_row("3", None, paid=True), a_row("4", None, paid=True))
    intents = [an_intent("pi_1"), an_intent("pi_2")]
    match, _ = match_by_id(
        "default", intents, loaded(a_row("1", "pi_1"), a_row("2", "pi_2"), paid=paid), {}
    )
    assert sorted(str(sibling.key) for sibling in match.siblings) == ["2", "3", "4"]


def test_an_unpaid_intent_of_a_whole_order_is_the_rows() -> None:
    """Where no list shows the order, its intents may be known in another way; where they are not, the intent says so."""
    row, older, newer = (
        a_row("1"),
        an_intent("pi_1", "canceled", age=61),
        an_intent("pi_2", "canceled"),
    )
    unknown = linked(older, rows=(row,), listed=None)["pi_1"]
    assert (unknown.payments, unknown.facts.may_belong_to_row) == ((), True)
    found = {
        match.intent.id: match
        for match in match_by_order(
            "default", [older, newer], loaded(claimable=(row,)), RULES, None, {"7"}
        )
    }
    assert found["pi_2"].payments == (row,)
    assert (found["pi_1"].payments, found["pi_1"].facts.may_belong_to_row) == ((), False)


def test_what_may_belong_to_a_row_closes_no_finding() -> None:
    """An open finding about the order waits a day for a sweep that knows it; without one there is nothing to wait for."""
    match = linked(an_intent("pi_1", "canceled"), rows=(a_row("1"),), listed=None)["pi_1"]
    finding = StoredDiscrepancy(7, "pi_1", Kind.MISSED_OUTCOME, State.OPEN, "f")
    waiting = decide(match, RULES, NOW, known=(finding,))
    assert isinstance(waiting, Wait)
    assert waiting.until == NOW + timedelta(days=1)
    for known in ((), (replace(finding, state=State.RESOLVED),)):
        assert decide(match, RULES, NOW, known=known) == Keep()
