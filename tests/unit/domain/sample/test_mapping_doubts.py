"""What in a mapping fits the types and not the values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.model.payment import SqlText, StatusMap, TableMapping
from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.agreement import Agreement, Pair
from reconciler.domain.sample.mapping_doubts import (
    Doubt,
    amount_doubts,
    currency_doubts,
    metadata_doubts,
    status_doubts,
)
from reconciler.domain.sample.time_doubts import created_doubts
from tests.unit.domain.samples import (
    CREATED,
    LOCAL_STATUS,
    WRITTEN,
    charge,
    intent_of,
    payment,
    rules,
)

READ = {word: outcome for outcome, word in LOCAL_STATUS.items()}
MAPPING = TableMapping(
    table="public.payments",
    key="id",
    payment_intent="pi",
    status="status",
    amount="amount",
    created="Created",
    currency="currency",
    statuses=StatusMap(READ, WRITTEN),
)
PAID = Outcome.SUCCEEDED


def pairs(
    count: int, local: Outcome = PAID, stripe: Outcome = PAID, changes: Any = None, **row: Any
) -> list[Pair]:
    """Equal pairs of a row and an intent."""
    return [Pair(payment(local, **row), intent_of(stripe, **(changes or {}))) for _ in range(count)]


def only(doubts: Iterable[Doubt], words: str, *, fault: bool) -> Doubt:
    """The one doubt, which says these words."""
    (doubt,) = doubts
    assert words in doubt.what
    assert doubt.is_fault is fault
    return doubt


def test_what_fits_gives_no_doubt() -> None:
    """Rows that agree, and no rows at all."""
    for found in (pairs(30), []):
        rows = [pair.payment for pair in found]
        assert not list(amount_doubts(rows, found, MAPPING))
        assert not list(currency_doubts(found, MAPPING))
        assert not list(status_doubts(rows, found, MAPPING))
        assert not list(created_doubts(rows, found, MAPPING))
    assert Agreement(0, 0).share == 0


class TestAmounts:
    """An amount has one unit."""

    FRACTION = payment(PAID, amount=None, stored_amount="39.94")

    def test_fractions_of_most(self) -> None:
        """Most are impossible in minor units: the unit is wrong."""
        found = amount_doubts([self.FRACTION, payment(PAID)], [], MAPPING)
        doubt = only(
            found,
            "1 of 2 sampled amounts are not whole numbers of minor units, such as 39.94",
            fault=True,
        )
        assert doubt.hint == 'Set amount_unit = "major".'

    def test_fractions_of_some(self) -> None:
        """A few rows are only not compared."""
        found = amount_doubts([self.FRACTION, *[payment(PAID)] * 9], [], MAPPING)
        only(found, "1 of 10 sampled amounts", fault=False)

    def test_fractions_of_major_units(self) -> None:
        """A third decimal is no amount in any unit."""
        major = replace(MAPPING, amount_unit="major")
        row = payment(PAID, amount=None, stored_amount="1.005")
        only(amount_doubts([row], [], major), "1.005 in major units", fault=True)

    @pytest.mark.parametrize(
        ("unit", "stored", "other"), [("minor", "42", "major"), ("major", "4200", "minor")]
    )
    def test_the_other_unit_fits(self, unit: Any, stored: str, other: str) -> None:
        """Stripe has the same amounts in the other unit."""
        mapping = replace(MAPPING, amount_unit=unit)
        found = pairs(5, amount=42, stored_amount=stored)
        doubt = only(amount_doubts([], found, mapping), "they agree in 5 of 5", fault=True)
        assert doubt.hint == f'Set amount_unit = "{other}".'

    def test_no_unit_fits(self) -> None:
        """It is another column: not the amount."""
        found = pairs(5, amount=7, stored_amount="7")
        only(
            amount_doubts([], found, MAPPING),
            "differ from Stripe's in all 5 compared rows",
            fault=True,
        )

    def test_rows_that_prove_nothing(self) -> None:
        """Empty amounts, and currencies in which both units are the same."""
        yen = pairs(9, amount=7, stored_amount="7", changes={"currency": "jpy"})
        empty = pairs(9, amount=None, stored_amount=None)
        assert not list(amount_doubts([pair.payment for pair in empty], yen + empty, MAPPING))


class TestCurrencies:
    """A currency that Stripe contradicts."""

    def test_a_column(self) -> None:
        """One currency at Stripe can stand in the place of the column."""
        found = pairs(5, currency="usd")
        doubt = only(
            currency_doubts(found, MAPPING), "usd in the row and eur at Stripe", fault=True
        )
        assert doubt.hint == 'Remove currency, and set currency_constant = "eur".'

    def test_several_at_stripe(self) -> None:
        """No constant fits."""
        found = pairs(5, currency="usd") + pairs(2, currency="usd", changes={"currency": "gbp"})
        doubt = only(
            currency_doubts(found, MAPPING),
            "in 7 of 7 compared rows the currency differs",
            fault=True,
        )
        assert doubt.hint == "Map the column with the currency."

    def test_a_constant(self) -> None:
        """Another constant, or a column if only some rows differ."""
        constant = replace(MAPPING, currency=None, currency_constant="usd")
        doubt = only(
            currency_doubts(pairs(5, currency="usd"), constant), "usd in the row", fault=True
        )
        assert doubt.hint == 'Set currency_constant = "eur".'
        some = pairs(9, currency="usd", changes={"currency": "usd"}) + pairs(1, currency="usd")
        only(
            currency_doubts(some, constant),
            "Stripe has another currency for 1 of 10 compared rows",
            fault=False,
        )

    def test_some_rows_of_a_column(self) -> None:
        """They are findings of a sweep, and no fault of the mapping."""
        assert not list(currency_doubts(pairs(9) + pairs(1, currency="usd"), MAPPING))


class TestStatuses:
    """Meanings that Stripe contradicts, and statuses without one."""

    def test_contradicted(self) -> None:
        """Twenty rows of which nineteen are something else."""
        found = pairs(19, Outcome.CANCELED, PAID) + pairs(1, Outcome.CANCELED, Outcome.CANCELED)
        doubt = only(
            status_doubts([], found, MAPPING),
            '"void" is mapped to canceled, but Stripe says succeeded for 19 of 20',
            fault=True,
        )
        assert doubt.hint == (
            'Write "void" = "succeeded" under [payments.read].'
            " Under [payments.write], name another status for canceled, or delete its line."
        )

    def test_contradicted_and_never_written(self) -> None:
        """A status that is not written needs no other one."""
        mapping = replace(MAPPING, statuses=StatusMap(READ, {}))
        found = pairs(20, Outcome.CANCELED, PAID, changes={"charge": charge(refunded=True)})
        doubt = only(status_doubts([], found, mapping), "refunded for 20 of 20", fault=True)
        assert doubt.hint == 'Write "void" = "refunded" under [payments.read].'

    @pytest.mark.parametrize(
        "found",
        [
            pairs(19, Outcome.CANCELED, PAID),
            pairs(30, Outcome.INCOMPLETE, Outcome.PROCESSING),
            pairs(30, Outcome.REFUNDED, PAID),
            pairs(5, status=None),
        ],
        ids=["few", "behind but open", "refunded", "null"],
    )
    def test_no_contradiction(self, found: list[Pair]) -> None:
        """What a lost webhook or chance explains."""
        assert not list(status_doubts([], found, MAPPING))

    def test_all_rows_are_behind(self) -> None:
        """Lost webhooks or another meaning: a person knows."""
        found = pairs(20, Outcome.INCOMPLETE, PAID)
        doubt = only(
            status_doubts([], found, MAPPING), "either the webhooks of all these rows", fault=False
        )
        assert '"pending" = "succeeded"' in doubt.hint

    def test_not_mapped(self) -> None:
        """Each with its count, and what Stripe's side speaks for if that is sure."""
        done = pairs(20, status="done")
        rows = [*(pair.payment for pair in done), payment(PAID, status="odd")]
        doubt = only(status_doubts(rows, done, MAPPING), '"done" 20, "odd" 1 (of 21', fault=False)
        assert '"done" = "succeeded".' in doubt.hint
        (doubt,) = status_doubts([payment(PAID, status="odd")], [], MAPPING)
        assert doubt.hint == "Say under [payments.read] what each status means."

    def test_empty(self) -> None:
        """A row without a status is unknown."""
        only(
            status_doubts([payment(PAID, status=None)], [], MAPPING),
            "1 of 1 sampled rows have no status",
            fault=False,
        )


class TestTimes:
    """The time of creation is Stripe's, within an hour."""

    def hint(self, offset: timedelta, mapping: TableMapping = MAPPING) -> str:
        found = pairs(5, created=CREATED + offset)
        return only(
            created_doubts([], found, mapping), "by more than an hour in 5 of 5", fault=False
        ).hint

    def test_empty(self) -> None:
        """Rows without a time are in no range."""
        found = pairs(5, created=None)
        rows = [pair.payment for pair in found]
        only(created_doubts(rows, found, MAPPING), "5 of 5 sampled rows", fault=False)

    def test_local_time(self) -> None:
        """Whole quarters of an hour are a time zone."""
        assert "t.\\\"Created\\\" - interval '120 minutes'" in self.hint(timedelta(hours=2))
        assert "+ interval '270 minutes'" in self.hint(timedelta(hours=-4.5))

    @pytest.mark.parametrize("offset", [timedelta(days=3), timedelta(hours=2, minutes=7)])
    def test_another_time(self, offset: timedelta) -> None:
        """It is another column."""
        assert self.hint(offset).startswith("Map the column")

    def test_an_sql_text_is_not_wrapped(self) -> None:
        """The text itself is to be corrected."""
        mapping = replace(MAPPING, created=SqlText("t.a"))
        assert self.hint(timedelta(hours=2), mapping).startswith("Map the column")

    def test_the_wrong_unit(self) -> None:
        """Seconds as milliseconds are 1970, milliseconds as seconds a year that no row has."""
        ms, s = replace(MAPPING, created_unit="ms"), replace(MAPPING, created_unit="s")
        old = datetime(1970, 1, 21, tzinfo=UTC) - CREATED
        assert self.hint(old, ms) == 'Set created_unit = "s".'
        assert (
            self.hint(datetime(5000, 1, 1, tzinfo=UTC) - CREATED, s) == 'Set created_unit = "ms".'
        )
        assert self.hint(timedelta(days=3), s).startswith("Map the column")

    def test_a_few_rows(self) -> None:
        """Some rows may be older than their PaymentIntent."""
        found = pairs(9) + pairs(2, created=CREATED + timedelta(days=9))
        assert not list(created_doubts([], found, MAPPING))


def test_metadata() -> None:
    """A filter that nearly no PaymentIntent fulfils, judged by enough of them."""
    other = intent_of(PAID)
    mine = replace(other, metadata={"app": "shop"})
    wanted = rules(metadata={"app": "shop"})
    only(
        metadata_doubts([mine, *[other] * 19], wanted),
        '1 of 20 newest PaymentIntents have the metadata app = "shop"',
        fault=False,
    )
    assert not list(metadata_doubts([mine] * 3 + [other] * 17, wanted))
    assert not list(metadata_doubts([other] * 19, wanted))
    assert not list(metadata_doubts([other] * 20, rules()))


def test_metadata_keys() -> None:
    """A key that nearly no PaymentIntent has, with any value; the hint names the setting that it stands in."""
    other = intent_of(PAID)
    mine = replace(other, metadata={"order_id": "7", "app": "shop"})
    wanted = rules(metadata={"order_id": None})
    found = only(
        metadata_doubts([mine, *[other] * 19], wanted),
        "1 of 20 newest PaymentIntents have the metadata order_id (any value)",
        fault=False,
    )
    assert found.hint.startswith("Remove payments.metadata_keys, unless")
    assert not list(metadata_doubts([mine] * 3 + [other] * 17, wanted))
    both = rules(metadata={"order_id": None, "app": "shop"})
    [found] = metadata_doubts([mine, *[other] * 19], both)
    assert found.hint.startswith("Remove payments.metadata and payments.metadata_keys, unless")
