"""A statement as lines of text, with its certificate at the end."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.entrypoints.shown_text import clean
from reconciler.entrypoints.statement_files import statement_text
from reconciler.entrypoints.statement_files.certificate import TITLE, Certificate


def statement_lines(one: Certificate) -> Iterator[str]:
    """What a terminal shows. It can control no terminal."""
    found = one.statement
    yield clean(f"{statement_text.title(found)}.")
    yield statement_text.when(found, one.as_of)
    yield statement_text.WHAT_IT_IS
    if not found.currencies:
        yield "No payment of this period is known."
    for currency in found.currencies:
        yield ""
        yield clean(f"{currency.currency.upper()}: {statement_text.headline(found, currency)}")
        pairs = [
            *statement_text.figures(found, currency),
            statement_text.open_differences(currency),
            *statement_text.ageing(found, currency),
        ]
        yield from statement_text.pair_lines(pairs)
        for said in (
            statement_text.lost_webhooks(found.period, currency),
            statement_text.subsequent(currency),
            statement_text.later_money(currency),
        ):
            if said:
                yield clean(f"  {said}")
        yield from (clean(f"    {line}") for line in statement_text.later_lines(currency))
    again = statement_text.examined_again(found, one.as_of)
    if again:
        yield ""
        yield again
    if not found.is_complete:
        yield ""
        yield statement_text.days_not_examined(found)
        yield "The money of these days is in no sum of the period; the open differences of the account include it."
        period = found.period
        yield (
            f"Examine these days with: {statement_text.EXAMINE} --since {period.start.date()} --until {period.end.date()}"
        )
    yield ""
    yield f"{TITLE}: certificate of completeness"
    facts = list(one.lines())
    yield from statement_text.pair_lines([fact for fact in facts if "\n" not in fact[1]])
    for name, value in facts:
        # a query keeps its lines, because a comment ends with its line
        if "\n" in value:
            yield ""
            yield clean(f"  {name}:")
            yield from (clean(f"    {line}") for line in value.splitlines() if line.strip())
    yield ""
    yield clean(statement_text.head_line(one.head))
