"""Which column of a table says in whose Stripe account a payment is, and which of these accounts the key reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import Relation
from reconciler.adapters.postgres.sampling.candidate_tables import count_words
from reconciler.adapters.postgres.sampling.row_sample import SampleTooSlowError, sample_rows
from reconciler.domain.model.payment import is_intent_id, stored_id
from reconciler.domain.sample.agreement import FEW
from reconciler.domain.sample.find_account import (
    AccountEvidence,
    FoundAccount,
    account_columns,
    best_account,
    is_account_id,
)
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable
from reconciler.entrypoints.init.stripe_side import StripeSide

MOST_COLUMNS: Final = 3
MOST_COMPARED: Final = 8
"""Values of a column whose payments are read."""
MOST_CONNECTED: Final = 5
"""Connected accounts that the key is tried on."""


def survey_account(
    database: Database,
    relation: Relation,
    table: SampledTable,
    intent: SampledColumn,
    stripe: StripeSide | None,
) -> FoundAccount | None:
    """The column that may name a Stripe account, beside Stripe if it is given; None if there is none."""
    found = [
        _evidence(database, relation, table, intent, column, stripe)
        for column in account_columns(table, [intent])[:MOST_COLUMNS]
    ]
    return best_account(found)


def _evidence(
    database: Database,
    relation: Relation,
    table: SampledTable,
    intent: SampledColumn,
    column: SampledColumn,
    stripe: StripeSide | None,
) -> FoundAccount:
    sampled = Counter(table.values(column))
    counted = count_words(database, relation, column.reference, None)
    rows = sampled if counted is None else Counter(counted)
    # the database counts a blank as a value of its own
    values = [(value, count) for value, count in rows.most_common() if value is None or value]
    evidence = [AccountEvidence(value, count) for value, count in values]
    if stripe is not None:
        compared = [
            _compared(one, _ids(database, relation, table, intent, column, one), stripe)
            for one in evidence[:MOST_COMPARED]
        ]
        evidence[:MOST_COMPARED] = compared
        _try_connected(evidence, table, intent, column, stripe)
    return FoundAccount(column, tuple(evidence), rows_are_sampled=counted is None)


def _ids(
    database: Database,
    relation: Relation,
    table: SampledTable,
    intent: SampledColumn,
    column: SampledColumn,
    one: AccountEvidence,
) -> list[str]:
    """The PaymentIntents of a value's rows: of the sample, and of further rows if it has few of them."""
    ids = _sampled_ids(table, intent, column, one.value)
    if len(ids) < FEW and one.value is not None and one.rows > len(ids):
        try:
            more = sample_rows(database, relation, holding=(column.reference, [one.value]))
        except SampleTooSlowError:
            return ids
        ids += _sampled_ids(table.with_rows_of(more), intent, column, one.value)
    return list(dict.fromkeys(ids))


def _sampled_ids(
    table: SampledTable, intent: SampledColumn, column: SampledColumn, value: str | None
) -> list[str]:
    both = zip(table.values(intent), table.values(column), strict=True)
    texts = [stored_id(text.strip()).id for text, has in both if has == value and text is not None]
    return [text for text in texts if is_intent_id(text)]


def _compared(one: AccountEvidence, ids: Sequence[str], stripe: StripeSide) -> AccountEvidence:
    known = sum(ident in stripe.intents or ident in stripe.missing for ident in ids)
    stripe.retrieve(ids, FEW - known)
    return replace(
        one,
        read=sum(ident in stripe.intents for ident in ids),
        missing=sum(ident in stripe.missing for ident in ids),
    )


def _try_connected(
    evidence: list[AccountEvidence],
    table: SampledTable,
    intent: SampledColumn,
    column: SampledColumn,
    stripe: StripeSide,
) -> None:
    """Find out whether the key, as a platform's, reads the payments of the accounts that are not its own."""
    tried = 0
    for place, one in enumerate(evidence):
        if one.value is None or not one.is_foreign or not is_account_id(one.value):
            continue
        if tried == MOST_CONNECTED:
            return
        tried += 1
        ids = [
            ident
            for ident in _sampled_ids(table, intent, column, one.value)
            if ident not in stripe.intents
        ]
        is_connected = stripe.retrieve_connected(one.value, ids, 4 * FEW)
        evidence[place] = replace(one, is_connected=is_connected)
