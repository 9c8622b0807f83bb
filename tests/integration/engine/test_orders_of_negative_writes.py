"""A row is made canceled only if nothing in its order may hold money at that moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.engine.page import intents_elsewhere, unmatched
from reconciler.engine.report import SweepKind
from tests.integration.engine.sweeps import LAST_WEEK, RULES, SweepRunner
from tests.unit.engine.doubles import NOW

NAMED = {"metadata": {"order_id": "o1"}}


@pytest.fixture
def canceled(sweeps: SweepRunner) -> SweepRunner:
    """Row 1 of order o1 is pending, and its intent was canceled."""
    sweeps.rules = replace(RULES, link_metadata="order_id")
    sweeps.add_row(1, "pi_1", order="o1")
    sweeps.add_intent("pi_1", "canceled")
    return sweeps


def before_the_order_is_read(sweeps: SweepRunner, happens: Callable[[], None]) -> None:
    """Let something happen after the list was read, and before the rows of the order are."""

    class Store:
        def __init__(self, store: object) -> None:
            self._store = store

        def __getattr__(self, name: str) -> object:
            return getattr(self._store, name)

        def rows_of_orders(self, orders: object) -> object:
            happens()
            return self._store.rows_of_orders(orders)  # type: ignore[attr-defined]

    sweeps.wrap = Store  # type: ignore[assignment,return-value]


def kinds(sweeps: SweepRunner) -> dict[str, str | None]:
    found = sweeps.query("SELECT kind, reason FROM reconciler.discrepancies WHERE state = 'open'")
    return {row["kind"]: row["reason"] for row in found}


@pytest.mark.parametrize("kind", [SweepKind.WINDOW, SweepKind.ALL, SweepKind.DUE])
def test_an_unpaid_order_is_released(canceled: SweepRunner, kind: SweepKind) -> None:
    """Without any money in the order the row becomes canceled."""
    canceled.run(kind)
    assert canceled.statuses() == {"1": "canceled"}


def test_a_retry_made_while_the_list_was_read(canceled: SweepRunner) -> None:
    """The customer has paid under a new intent since the list was read: the row stays."""

    def pays() -> None:
        canceled.add_intent("pi_2", created=NOW, **NAMED)

    before_the_order_is_read(canceled, pays)
    canceled.run(SweepKind.WINDOW)
    assert canceled.statuses() == {"1": "pending"}
    assert "paid_by_other_intent" in kinds(canceled)


def test_an_open_intent_that_is_paid_since_the_list(canceled: SweepRunner) -> None:
    """The list showed another intent of the order as unpaid, some time ago: it is read again."""
    earlier = LAST_WEEK - timedelta(hours=1)
    canceled.add_intent("pi_2", "requires_payment_method", created=earlier, **NAMED)

    def pays() -> None:
        canceled.add_intent("pi_2", created=earlier, **NAMED)
        canceled.stripe.present = NOW + timedelta(seconds=40)

    before_the_order_is_read(canceled, pays)
    canceled.run(SweepKind.WINDOW)
    assert canceled.statuses() == {"1": "pending"}


def test_money_that_a_row_of_another_order_holds(canceled: SweepRunner) -> None:
    """An intent names the order, and a row without an order holds it: the money may be the order's."""
    canceled.add_row(2, "pi_2", "paid")
    canceled.add_intent("pi_2", **NAMED)
    canceled.run(SweepKind.WINDOW)
    assert canceled.statuses() == {"1": "pending", "2": "paid"}
    assert kinds(canceled) == {"missed_outcome": "order_paid"}


@pytest.mark.parametrize("module", [intents_elsewhere, unmatched])
def test_what_a_sweep_could_not_keep_is_not_known(
    canceled: SweepRunner, monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    """A sweep that met more intents than it keeps asks Stripe for the order, and the paid intent is found."""
    monkeypatch.setattr(module, "MOST", 0)
    if module is intents_elsewhere:
        canceled.add_row(2, "pi_2", "paid")
    canceled.add_intent("pi_2", **NAMED)
    canceled.run(SweepKind.WINDOW)
    assert canceled.statuses()["1"] == "pending"


@pytest.mark.parametrize("kind", [SweepKind.WINDOW, SweepKind.DUE])
@pytest.mark.parametrize("held", ["cs_1", "pi_unknown"])
def test_another_row_whose_payment_is_not_known(
    canceled: SweepRunner, kind: SweepKind, held: str
) -> None:
    """Another row of the order holds an id of which Stripe tells nothing: its payment may have gone through."""
    canceled.add_row(2, held, order="o1")
    canceled.run(kind)
    assert canceled.statuses()["1"] == "pending"


def test_an_order_of_very_many_rows(canceled: SweepRunner) -> None:
    """More rows of an order than are read: a paid one may be among the others."""
    for key in range(2, 102):
        canceled.add_row(key, None, "canceled", order="o1")
    canceled.add_row(102, None, "paid", order="o1")
    canceled.run(SweepKind.WINDOW)
    assert canceled.statuses()["1"] == "pending"
