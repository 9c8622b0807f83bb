"""The other intents that were paid for an order, by which a duplicate payment is found."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, PaidSibling
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.matching import (
    match_by_id,
    match_by_order,
    named_order,
    reportable_without_row,
)
from reconciler.domain.rules.side_findings import duplicate_payments
from tests.unit.domain.samples import CREATED, NOW, intent_of, missing, payment, rules, sibling

LINKED = rules(link_metadata="order_id")


def _row(
    key: str, holds: str | None, order: str | None = "o1", local: Outcome = Outcome.SUCCEEDED
) -> Payment:
    return payment(local, key=key, payment_intent=holds, order=order)


def _loaded(
    *rows: Payment, claimable: tuple[Payment, ...] = (), paid: tuple[Payment, ...] = ()
) -> Loaded:
    return Loaded(rows, claimable, paid, (), (), NOW)


def _named(intent_id: str, stripe: Outcome = Outcome.SUCCEEDED, hours: int = 0) -> Intent:
    created = CREATED - timedelta(hours=hours)
    return intent_of(stripe, id=intent_id, created=created, metadata={"order_id": "o1"})


def _duplicates(matches: tuple[Match, ...]) -> set[tuple[str, tuple[str, ...], str]]:
    return {
        (found.subject, found.keys, found.fingerprint)
        for match in matches
        for found in compare(match, LINKED, NOW).findings
        if found.kind is Kind.DUPLICATE_PAYMENT
    }


def test_a_row_without_an_intent_matches_no_intent_by_id() -> None:
    """A row that holds no intent yet is found only by its order."""
    (match,) = match_by_id(
        "default", [_named("pi_1")], _loaded(_row("p1", None), _row("p2", "pi_1")), {}
    )
    assert match.keys == ("p2",)


@pytest.mark.parametrize("stripe", [Outcome.PROCESSING, Outcome.CANCELED, None])
def test_only_an_intent_that_succeeded_is_a_sibling(stripe: Outcome | None) -> None:
    """An intent of the same page and order that has not succeeded, or that Stripe does not know, has paid nothing."""
    other = missing(id="pi_2") if stripe is None else intent_of(stripe, id="pi_2")
    rows = (_row("p1", "pi_1"), _row("p2", "pi_2", local=Outcome.INCOMPLETE))
    first, _ = match_by_id("default", [_named("pi_1"), other], _loaded(*rows), {})
    assert first.siblings == ()


@pytest.mark.parametrize("paid", [_row("p3", "pi_3", order=None), _row("p3", "pi_3", "o9")])
def test_a_paid_row_of_no_order_or_another_order_is_no_sibling(paid: Payment) -> None:
    """A paid row counts only if it names the same order."""
    (match,) = match_by_id(
        "default", [_named("pi_1")], _loaded(_row("p1", "pi_1"), paid=(paid,)), {}
    )
    assert match.siblings == ()


def test_a_row_that_another_gateway_paid_is_a_sibling() -> None:
    """It holds no intent, so the finding about the order that was paid twice is about this intent."""
    (match,) = match_by_id(
        "default", [_named("pi_1")], _loaded(_row("p1", "pi_1"), paid=(_row("p3", None),)), {}
    )
    (found,) = duplicate_payments(match, _named("pi_1"))
    assert (found.payment_intent, found.evidence["also_paid_key"]) == ("pi_1", "p3")


def test_a_payment_of_an_earlier_page_is_a_sibling() -> None:
    """Stripe said in this sweep that it was paid, although its row does not say so yet."""
    earlier = PaidSibling.of_intent(_named("pi_0", hours=1), _row("p0", "pi_0"))
    (match,) = match_by_id(
        "default",
        [_named("pi_1")],
        _loaded(_row("p1", "pi_1")),
        {"o1": [earlier], "o2": [sibling("pi_9")]},
    )
    assert match.siblings == (earlier,)


def test_stripes_facts_about_a_sibling_replace_the_rows() -> None:
    """If both a row and the page name the sibling, its amount and time are Stripe's."""
    said = replace(_row("p2", "pi_2"), amount=1, created=NOW)
    first, _ = match_by_id(
        "default",
        [_named("pi_1"), _named("pi_2", hours=3)],
        _loaded(_row("p1", "pi_1"), _row("p2", "pi_2"), paid=(said,)),
        {},
    )
    assert first.siblings == (PaidSibling.of_intent(_named("pi_2", hours=3), _row("p2", "pi_2")),)


def test_a_row_without_an_order_cannot_be_claimed() -> None:
    """No intent can name an order that is null."""
    (match,) = match_by_order(
        "default",
        [_named("pi_1")],
        _loaded(claimable=(_row("p1", None, order=None),)),
        LINKED,
        None,
    )
    assert match.payments == ()


@pytest.mark.parametrize("keys", [(), ("p1",), ("p1", "p2")])
def test_two_payments_that_name_one_order_are_a_duplicate(keys: tuple[str, ...]) -> None:
    """Neither intent has a row: the finding is on the later one, and is the same in every order of the intents."""
    claimable = tuple(_row(key, None, local=Outcome.INCOMPLETE) for key in keys)
    both = [_named("pi_2"), _named("pi_7", hours=1)]
    for intents in itertools.permutations(both):
        matches = match_by_order("default", intents, _loaded(claimable=claimable), LINKED, None)
        found = _duplicates(matches)
        assert {(subject, keys) for subject, keys, _ in found} == {("pi_2", keys[:1])}
        assert len(found) == 1


def test_an_unpaid_or_foreign_intent_that_names_the_order_is_no_duplicate() -> None:
    """Held money was not taken yet, and the intent of another program does not concern the table."""
    filtered = replace(LINKED, metadata={"app": "shop"})
    owned = replace(_named("pi_2"), metadata={"order_id": "o1", "app": "shop"})
    captured_in_part = replace(
        _named("pi_1", Outcome.AUTHORIZED), amount_received=4200, metadata=owned.metadata
    )
    for other in (_named("pi_1"), captured_in_part):
        matches = match_by_order("default", [owned, other], _loaded(), filtered, None)
        assert _duplicates(matches) == set()


@pytest.mark.parametrize(
    "outcome", [outcome for outcome in Outcome if outcome.value not in {"refunded", "disputed"}]
)
@pytest.mark.parametrize("is_owned", [True, False])
def test_which_intents_are_reportable_without_a_row(outcome: Outcome, is_owned: bool) -> None:
    """An intent of the shop that is paid, held or unknown, or that names an order."""
    under = replace(LINKED, metadata={"app": "shop"})
    metadata = {"app": "shop"} if is_owned else {}
    plain = intent_of(outcome, metadata=metadata)
    is_reportable = outcome in {Outcome.SUCCEEDED, Outcome.AUTHORIZED, Outcome.UNKNOWN}
    assert reportable_without_row(plain, under) == (is_owned and is_reportable)
    naming = intent_of(outcome, metadata={**metadata, "order_id": "o1"})
    assert reportable_without_row(naming, under) == is_owned
    assert named_order(naming, under) == ("o1" if is_owned else None)
    assert named_order(naming, rules()) is None
    assert named_order(intent_of(outcome, metadata={**metadata, "order_id": ""}), under) is None


@pytest.mark.parametrize(
    ("short", "is_linked"), [(timedelta(0), True), (timedelta(seconds=1), False)]
)
def test_an_unpaid_intent_is_linked_only_if_the_list_begins_a_day_before_its_row(
    short: timedelta, is_linked: bool
) -> None:
    """A row may be written a day after its intent, so a shorter list may not show another intent of the order."""
    row = _row("p1", None, local=Outcome.FAILED)
    listed = TimeRange(CREATED - timedelta(days=1) + short)
    failed = _named("pi_1", Outcome.CANCELED)
    (match,) = match_by_order("default", [failed], _loaded(claimable=(row,)), LINKED, listed)
    assert match.keys == (("p1",) if is_linked else ())
