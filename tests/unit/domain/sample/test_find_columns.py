"""Which column plays which part, by comparing values with Stripe's; without Stripe by names alone, and never sure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from reconciler.domain.model.intent import Intent
from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.compared_table import ComparedTable, find_intent
from reconciler.domain.sample.find_columns import (
    find_amount,
    find_currency,
    only_currency,
)
from reconciler.domain.sample.find_order_and_key import find_key, find_order
from reconciler.domain.sample.find_times import find_created, find_updated
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind
from tests.unit.domain.samples import AMOUNT, CREATED, intent_of

TEXT, INTEGER, NUMERIC, TIME = (
    ValueKind.TEXT, ValueKind.INTEGER, ValueKind.NUMERIC, ValueKind.TIME,
)  # fmt: skip
AT = CREATED.timestamp()
PAID = intent_of(Outcome.SUCCEEDED)


def table(**columns: tuple[ValueKind, list[str | None]]) -> SampledTable:
    """A sample, by columns."""
    made = tuple(SampledColumn(name, kind) for name, (kind, _) in columns.items())
    rows = tuple(zip(*(values for _, values in columns.values()), strict=True))
    return SampledTable("public.t", made, rows)


def compared(
    intent: Intent | None = PAID, **columns: tuple[ValueKind, list[str | None]]
) -> ComparedTable:
    """A sample of which every row holds the same PaymentIntent."""
    made = table(**columns)
    return ComparedTable(made, (intent,) * len(made.rows))


class TestJoinedByOrder:
    """Rows without an id stand beside the PaymentIntent that names their order."""

    def test_the_paid_one_else_the_newest(self) -> None:
        """An intent that another row holds is left out, and a row with an id keeps its own."""

        def named(ident: str, order: str, outcome: Outcome, minute: int) -> Intent:
            made = intent_of(outcome)
            at = CREATED + timedelta(minutes=minute)
            return replace(made, id=ident, metadata={"order": order}, created=at)

        held = named("pi_held", "1", Outcome.SUCCEEDED, 0)
        intents = [
            held,
            named("pi_paid", "2", Outcome.SUCCEEDED, 1),
            named("pi_later", "2", Outcome.FAILED, 2),
            named("pi_old", "3", Outcome.FAILED, 1),
            named("pi_new", "3", Outcome.FAILED, 2),
            replace(PAID, id="pi_none", metadata={}),
        ]
        order = SampledColumn("no", TEXT)
        rows = (("1",), ("1",), ("2 ",), ("3",), ("4",), (None,))
        sample = ComparedTable(
            SampledTable("public.t", (order,), rows), (held, None, None, None, None, None)
        )
        joined = sample.joined_by_order(order, "order", {one.id: one for one in intents})
        assert [one and one.id for one in joined.intents] == [
            "pi_held", None, "pi_paid", "pi_new", None, None,
        ]  # fmt: skip


class TestIntents:
    """The column with the most PaymentIntents."""

    def test_the_most_ids(self) -> None:
        """A PaymentIntent counts more than a session, and a number is no id."""
        pi, cs = "pi_3mog3aTMOL2M3CUj", "cs_test_a1B2c3"
        found = find_intent(table(
            session=(TEXT, [cs, cs, cs]), number=(INTEGER, ["1", "2", "3"]), ref=(TEXT, [pi, None, "PSP1"]),
            copy=(TEXT, [None, None, None]),
        ))  # fmt: skip
        assert found is not None
        assert (found.column.name, found.found, found.foreign) == ("ref", 1, 1)

    def test_none(self) -> None:
        """No text with an id."""
        assert find_intent(table(a=(TEXT, ["x"]))) is None

    def test_rows_beside_their_intents(self) -> None:
        """Of a client secret only the id in front counts; a null has no intent."""
        made = table(ref=(TEXT, ["pi_1_secret_x", None, "pi_9"]))
        beside = ComparedTable.of(made, made.columns[0], {"pi_1": PAID})
        assert beside.intents == (PAID, None, None)
        assert list(beside.pairs(made.columns[0])) == [("pi_1_secret_x", PAID)]
        assert beside.compared == (PAID,)


class TestAmounts:
    """The amount and its unit."""

    def test_by_values(self) -> None:
        """The column that agrees in every row, in the unit in which it does; a fitting name breaks a tie."""
        found = find_amount(compared(
            size=(INTEGER, ["1"] * 6), copy=(NUMERIC, ["42.00"] * 6), total=(NUMERIC, ["42.00"] * 6),
        ))  # fmt: skip
        assert found is not None
        assert (found.column.name, found.unit, found.is_sure) == ("total", "major", True)
        minor = find_amount(compared(value=(INTEGER, [str(AMOUNT)] * 6)))
        assert minor is not None
        assert minor.unit == "minor"

    def test_some_rows(self) -> None:
        """A column that agrees in some rows only is the best guess, and says so."""
        found = find_amount(compared(total=(INTEGER, [str(AMOUNT), "1", "2", "3", "4"])))
        assert found is not None
        assert found.why_not == "the column agrees with Stripe in 1 of 5 rows"

    def test_by_name(self) -> None:
        """Fractions are major units for certain; no fitting name is no amount."""
        found = find_amount(compared(None, amount=(NUMERIC, ["1.50"]), amounts=(NUMERIC, [None])))
        assert found is not None
        assert (found.column.name, found.unit, found.is_sure) == ("amount", "major", False)
        whole = find_amount(compared(None, amount=(INTEGER, ["150"])))
        assert whole is not None
        assert whole.unit == "minor"
        assert find_amount(compared(None, weight=(INTEGER, ["1"]))) is None

    def test_what_is_no_number_agrees_with_nothing(self) -> None:
        """NaN and a yen, whose units are the same."""
        yen = replace(PAID, currency="jpy", amount=5, amount_received=5)
        found = find_amount(compared(yen, amount=(NUMERIC, ["5", "NaN", "x"])))
        assert found is not None
        assert found.unit == "minor"


class TestCurrencies:
    """The currency, in a column or the same for all rows."""

    def test_a_column(self) -> None:
        """Capitals and blanks do not count."""
        found = find_currency(compared(cur=(TEXT, ["EUR "] * 5), word=(TEXT, ["long"] * 5)))
        assert found is not None
        assert found.is_sure

    def test_by_name(self) -> None:
        """Without Stripe the name decides."""
        found = find_currency(compared(None, currency=(TEXT, ["EUR"]), way=(TEXT, ["sea"])))
        assert found is not None
        assert (found.column.name, found.is_sure) == ("currency", False)
        assert find_currency(compared(None, way=(TEXT, ["sea"]))) is None

    def test_one_for_all(self) -> None:
        """Only if Stripe has one for all compared rows."""
        both = ComparedTable(table(a=(TEXT, ["x", "y"])), (PAID, replace(PAID, currency="usd")))
        assert only_currency(both) is None
        assert only_currency(compared(a=(TEXT, ["x", "y"]))) == ("eur", 2)


class TestTimes:
    """The time of creation, and that of the last change."""

    def test_a_time(self) -> None:
        """The column within minutes of Stripe's time, under any name."""
        found = find_created(compared(
            shipped_at=(TIME, [str(AT + 9999)] * 5), born=(TIME, [str(AT + 5)] * 5), count=(INTEGER, ["1"] * 5),
        ))  # fmt: skip
        assert found is not None
        assert (found.column.name, found.unit, found.is_sure) == ("born", None, True)

    def test_a_number(self) -> None:
        """Seconds or milliseconds."""
        for unit, factor in (("s", 1), ("ms", 1000)):
            found = find_created(compared(made=(INTEGER, [str(int(AT * factor))] * 5)))
            assert found is not None
            assert (found.unit, found.is_sure) == (unit, True)

    def test_the_time_of_the_payment_is_not_that_of_the_row(self) -> None:
        """Unpaid rows lack it: a number that all rows have is taken, and without one it is not sure."""
        paid: list[str | None] = [str(AT + 5)] * 6 + [None] * 4
        found = find_created(
            compared(paid_at=(TIME, paid), made=(INTEGER, [str(int(AT * 1000))] * 10))
        )
        assert found is not None
        assert (found.column.name, found.unit, found.is_sure) == ("made", "ms", True)
        same: list[str | None] = [str(AT)] * 5
        found = find_created(compared(changed=(TIME, same), createdAt=(INTEGER, same)))
        assert found is not None
        assert found.column.name == "createdAt"
        found = find_created(compared(changed=(TIME, same), made=(INTEGER, same)))
        assert found is not None
        assert found.column.name == "changed"
        found = find_created(compared(paid_at=(TIME, paid)))
        assert found is not None
        assert found.why_not.startswith("it is empty in 4 of 10 sampled rows")

    def test_a_number_without_stripe(self) -> None:
        """A fitting name and values of a size that times have; an amount and a version are none."""
        for unit, value in (("s", "1795709900"), ("ms", "1795709900000")):
            found = find_created(
                compared(None, createdMs=(INTEGER, [value]), total=(INTEGER, [value]))
            )
            assert found is not None
            assert (found.column.name, found.unit, found.is_sure) == ("createdMs", unit, False)
        assert (
            find_created(compared(None, created=(INTEGER, ["7"]), added=(INTEGER, [None]))) is None
        )

    def test_what_is_no_time(self) -> None:
        """A time without end and a text agree with nothing; the name is what remains."""
        found = find_created(compared(created=(TIME, ["Infinity", "x"])))
        assert found is not None
        assert not found.is_sure
        assert find_created(compared(shipped=(TIME, ["1"]))) is None

    def test_updated(self) -> None:
        """The name says it, and no row has an earlier one than its creation."""
        made = table(
            created=(TIME, ["5", None]), updated_at=(TIME, ["3", "9"]), modified=(TIME, ["6", "9"]),
            empty_update=(TIME, [None, None]), word=(TEXT, ["a", "b"]),
        )  # fmt: skip
        found = find_updated(made, made.columns[0])
        assert found is not None
        assert found.name == "modified"
        assert find_updated(table(created=(TIME, ["5"])), made.columns[0]) is None
        # a time that is stored as a text cannot be set to the present
        text = SampledColumn("updated", TIME, time_sql="(t.updated)::timestamptz")
        columns = (made.columns[0], text)
        assert find_updated(SampledTable("t", columns, (("5", "9"),)), columns[0]) is None


class TestOrders:
    """The column whose values stand in the metadata."""

    def test_an_order(self) -> None:
        """Values that differ from row to row; a name with order breaks a tie."""
        numbers: list[str | None] = [str(number) for number in range(6)]
        made = table(
            ref=(TEXT, numbers), order_id=(INTEGER, numbers), same=(TEXT, ["x"] * 6), at=(TIME, numbers),
        )  # fmt: skip
        intents = tuple(replace(PAID, metadata={"a": number or "", "b": "x"}) for number in numbers)
        found = find_order(ComparedTable(made, intents))
        assert found is not None
        assert (found.column.name, found.key, found.agreement.agreeing) == ("order_id", "a", 6)
        assert find_order(ComparedTable(made, (PAID,) * 6)) is None
        ranked = table(order_id=(TEXT, numbers), other=(TEXT, numbers))
        first = find_order(ComparedTable(ranked, intents))
        assert first is not None
        assert first.column.name == "order_id"


class TestKeys:
    """The column that names a row."""

    PI = SampledColumn("pi", TEXT, is_unique=True)

    def test_a_unique_index(self) -> None:
        """One without nulls first, then the one called id."""
        columns = (
            SampledColumn("token", TEXT, is_unique=True),
            SampledColumn("number", INTEGER, is_unique=True, is_nullable=False),
            SampledColumn("id", INTEGER, is_unique=True, is_nullable=False),
            self.PI,
        )
        found = find_key(SampledTable("t", columns, ()), self.PI)
        assert found is not None
        assert found.name == "id"

    def test_a_view(self) -> None:
        """A view has no index: an id that is different in every sampled row."""
        made = table(user_id=(INTEGER, ["1", "1"]), row_id=(INTEGER, ["1", "2"]))
        found = find_key(made, SampledColumn("pi", TEXT))
        assert found is not None
        assert found.name == "row_id"

    def test_several_columns_together(self) -> None:
        """Of a key of several columns the first, if it is different in every row; else a number of the shop's own."""
        plain = SampledColumn("pi", TEXT)
        leading = SampledColumn("attempt", INTEGER, leads_unique=True)
        columns = (SampledColumn("order_id", INTEGER), leading, plain)
        rows = (("1", "4", "a"), ("2", "5", "b"))
        assert find_key(SampledTable("t", columns, rows), plain) == leading
        # the PaymentIntent may be the first of them
        intent = SampledColumn("pi", TEXT, leads_unique=True)
        assert find_key(SampledTable("t", (intent,), (("a",), ("b",))), intent) is None
        made = table(AttemptNo=(INTEGER, ["4", "5"]), total=(INTEGER, ["1", "2"]))
        found = find_key(made, plain)
        assert found is not None
        assert found.name == "AttemptNo"

    def test_nothing_else(self) -> None:
        """The PaymentIntent itself if it is unique, else none."""
        assert find_key(SampledTable("t", (self.PI,), ()), self.PI) is self.PI
        plain = replace(self.PI, is_unique=False)
        assert find_key(SampledTable("t", (plain,), ()), plain) is None
        repeated = table(user_id=(INTEGER, ["1", "1"]), cart_id=(INTEGER, ["1", None]))
        assert find_key(repeated, plain) is None


def test_rows_of_another_sample() -> None:
    """Rows are added once, by the names of columns; a time that is no time there is unknown."""
    first = table(a=(TEXT, ["x"]), b=(TIME, ["1"]), c=(TEXT, ["z"]))
    second = table(c=(TEXT, ["z", "w"]), b=(TEXT, ["soon", "soon"]), a=(TEXT, ["x", "y"]))
    assert first.with_rows_of(second).rows == (("x", "1", "z"), ("x", None, "z"), ("y", None, "w"))
    assert first.with_rows_of(first).rows == first.rows
