"""What ``init`` found in the table, shown with counts."""

from __future__ import annotations

from reconciler.entrypoints.cli.output import write_line
from reconciler.entrypoints.init.account_proposal import account_text
from reconciler.entrypoints.init.table_survey import Survey
from reconciler.entrypoints.init.words_of_survey import (
    Answers,
    mapped_words,
    said_by_stripe,
)
from reconciler.entrypoints.shown_text import clean


def show_survey(survey: Survey) -> None:
    """What was found, with counts."""
    write_line(f"The payments are in {clean(survey.relation.full_name)}.")
    parts = {
        "payment_intent": survey.intent.column.name,
        "key": survey.key and survey.key.name,
        "status": survey.status and survey.status.name,
        "amount": survey.amount and f"{survey.amount.column.name} in {survey.amount.unit} units",
        "currency": (survey.currency and survey.currency.column.name)
        or (survey.currency_constant and f"always {survey.currency_constant[0]}"),
        "created": survey.created and survey.created.column.name,
        "updated": survey.updated and survey.updated.name,
        "order": survey.order
        and f"{survey.order.column.name}, also in the metadata key {survey.order.key}",
    }
    for name, found in parts.items():
        if found:
            write_line(f"  {name:<15} {clean(found)}")
    if survey.account is not None and survey.account.is_worth_a_word:
        write_line(f"  {'account':<15} {account_text(survey.account)}")
    counts = survey.counts or {}
    if counts:
        listed = ", ".join(f"{word} {count:,}" for word, count in counts.items())
        of = " (of the sample)" if survey.counts_sample else ""
        write_line(f"  {'statuses':<15} {clean(listed)}{of}")
    mapped = mapped_words(survey, Answers())
    for one in survey.words:
        means = mapped[one.word].value if one.word in mapped else f"not sure: {one.why_not}"
        write_line(f"    {clean(one.word)}: {means} ({said_by_stripe(one)})")
