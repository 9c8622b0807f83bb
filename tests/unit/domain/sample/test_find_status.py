"""The status is the column, or the two, whose words go with Stripe's outcomes."""

from __future__ import annotations

from dataclasses import replace

from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.compared_table import ComparedTable
from reconciler.domain.sample.find_status import find_status
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind
from tests.unit.domain.samples import intent_of

TEXT, NUMBER, FLAG = ValueKind.TEXT, ValueKind.INTEGER, ValueKind.BOOLEAN
PAID, DROPPED, NEW = (
    intent_of(outcome) for outcome in (Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.INCOMPLETE)
)
INTENTS = (PAID,) * 4 + (DROPPED,) * 4 + (NEW,) * 4
TEN = 10


def sample(**columns: tuple[ValueKind, list[str | None]]) -> ComparedTable:
    """Four paid, four canceled and four open rows."""
    made = tuple(SampledColumn(name, kind) for name, (kind, _) in columns.items())
    rows = tuple(zip(*(values for _, values in columns.values()), strict=True))
    return ComparedTable(SampledTable("public.t", made, rows), INTENTS)


NOISE: list[str | None] = ["a", "b"] * 6
GOOD: list[str | None] = ["7"] * 4 + ["8"] * 4 + [None] * 4


def test_one_column() -> None:
    """A number that goes with the outcomes beats a text that does not."""
    found = find_status(sample(word=(TEXT, NOISE), level=(NUMBER, GOOD)), ())
    assert found is not None
    assert (found.name, found.sql) == ("level", None)
    assert found.words(sample(level=(NUMBER, GOOD)).table) == GOOD


def test_a_name_and_well_known_words_break_a_tie() -> None:
    """A copy of the status under another name is not taken."""
    words: list[str | None] = ["paid"] * 4 + ["void"] * 4 + ["new"] * 4
    found = find_status(sample(copy=(TEXT, GOOD), pay_status=(TEXT, words)), ())
    assert found is not None
    assert found.name == "pay_status"


def test_two_columns() -> None:
    """They are joined if they say more together than one of them alone, by enough rows for each word."""
    few = sample(
        closed=(FLAG, ["true"] * 8 + ["false"] * 4),
        won=(FLAG, ["true"] * 4 + [None] * 8),
        at=(ValueKind.TIME, ["1"] * 12),
    )
    one = find_status(few, ())
    assert one is not None
    assert one.name in ("closed", "won")
    many = replace(few, table=replace(few.table, rows=few.table.rows * TEN), intents=INTENTS * TEN)
    found = find_status(many, ())
    assert found is not None
    assert found.sql == "coalesce((t.closed)::text, '') || '/' || coalesce((t.won)::text, '')"
    assert found.words(many.table)[:12:4] == ["true/true", "true/", "false/"]


def test_what_cannot_be_a_status() -> None:
    """A column that is used already, that is unique, or that has too many or too long words."""
    many: list[str | None] = [str(number) for number in range(12)]
    made = sample(used=(TEXT, GOOD), empty=(TEXT, [None] * 12), long=(TEXT, ["x" * 61] * 12))
    assert find_status(made, made.table.columns[:1]) is None
    unique = SampledColumn("id", NUMBER, is_unique=True)
    table = SampledTable("t", (unique,), tuple((value,) for value in many))
    assert find_status(ComparedTable(table, INTENTS), ()) is None


def test_without_stripe() -> None:
    """The name and the words decide."""
    made = sample(word=(TEXT, NOISE), state=(TEXT, ["paid"] * 12))
    found = find_status(ComparedTable(made.table, (None,) * 12), ())
    assert found is not None
    assert found.name == "state"
