"""What a person has to decide about the rows before the configuration is whole, beside the meanings of statuses."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.domain.sample.row_conditions import DeletedRows
from reconciler.entrypoints.init.account_proposal import unread_accounts
from reconciler.entrypoints.init.table_survey import Survey
from reconciler.masking import redact, visible


def notes_of(survey: Survey) -> Iterator[str]:
    """A line for each account without a key, and for rows that are marked as deleted."""
    for text in () if survey.account is None else unread_accounts(survey.account):
        yield f"{text}. Name the account's key in the configuration, and uncomment its section."
    if survey.deleted is not None:
        yield f"{deleted_text(survey.deleted)}. If these rows are no payments, uncomment the line of payments.where in the configuration."


def deleted_text(deleted: DeletedRows) -> str:
    """How many rows are marked as deleted, and what that may do."""
    name = visible(redact(deleted.column.name))
    twins = f", and {deleted.twins:,} of them share their PaymentIntent with another row"
    return f"{deleted.rows:,} sampled rows are marked as deleted by {name}{twins if deleted.twins else ''}"
