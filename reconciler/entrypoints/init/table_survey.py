"""What is known of one table: which column plays which part, and what the words of its status mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import Relation
from reconciler.adapters.postgres.sampling.candidate_tables import count_words, is_large
from reconciler.adapters.postgres.sampling.row_sample import SampleTooSlowError, sample_rows
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import stored_id
from reconciler.domain.sample.agreement import ENOUGH
from reconciler.domain.sample.compared_table import ComparedTable, IntentColumn, find_intent
from reconciler.domain.sample.embedded_ids import with_embedded_ids
from reconciler.domain.sample.find_account import FoundAccount
from reconciler.domain.sample.find_columns import (
    Found,
    find_amount,
    find_currency,
    only_currency,
)
from reconciler.domain.sample.find_order_and_key import FoundOrder, find_key, find_order
from reconciler.domain.sample.find_status import FoundStatus, find_status
from reconciler.domain.sample.find_times import find_created, find_updated
from reconciler.domain.sample.row_conditions import (
    DeletedRows,
    deleted_rows,
    separating_condition,
)
from reconciler.domain.sample.row_per_payment import PaymentRows, payment_rows
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable
from reconciler.domain.sample.status_times import StatusTimes, find_status_times
from reconciler.domain.sample.status_words import (
    WordMeaning,
    meaning,
    meanings,
    outcome_with_money_back,
)
from reconciler.entrypoints.init.account_survey import survey_account
from reconciler.entrypoints.init.stripe_side import StripeSide

SPREAD: Final = 60
"""Rows of the sample whose PaymentIntents are read one by one if few of them are among the newest."""
MOST_WORDS: Final = 12


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found of a table. A part that was not found is None.

    ``counts`` are the rows of each status word, of the whole table or, if ``counts_sample``, of the sample alone.
    ``where`` leaves out the rows of other gateways; ``where_is_sure`` is whether a column of the table proves it.
    """

    relation: Relation
    compared: ComparedTable
    intent: IntentColumn
    key: SampledColumn | None
    amount: Found | None
    currency: Found | None
    currency_constant: tuple[str, int] | None
    created: Found | None
    updated: SampledColumn | None
    order: FoundOrder | None
    status: FoundStatus | None
    words: tuple[WordMeaning, ...] = ()
    counts: Mapping[str, int] | None = None
    counts_sample: bool = False
    where: str | None = None
    where_is_sure: bool = False
    times: StatusTimes | None = None
    """Times that may be the status together, if no column is one for certain."""
    account: FoundAccount | None = None
    deleted: DeletedRows | None = None
    payments: PaymentRows | None = None
    """Which rows are the payments, if others share their PaymentIntents. ``compared`` then has these rows alone."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys of [payments] that a configuration needs and that were not found."""
        parts = {
            "key": self.key,
            "status": self.status,
            "amount": self.amount,
            "currency": self.currency or self.currency_constant,
            "created": self.created,
        }
        return tuple(name for name, part in parts.items() if part is None)


def _sampled(
    database: Database, relation: Relation, holding: tuple[str, Sequence[str]] | None = None
) -> SampledTable:
    return with_embedded_ids(sample_rows(database, relation, holding=holding))


def survey_table(
    database: Database, relation: Relation, stripe: StripeSide | None
) -> Survey | None:
    """What a table holds; None if no column has an id of Stripe's. Raises SampleTooSlowError."""
    table = _sampled(database, relation)
    intent = find_intent(table)
    if intent is None:
        return None
    if stripe is not None:
        table = _with_listed_rows(database, relation, table, intent, stripe)
    payments = payment_rows(table, [_id(value) for value in table.values(intent.column)])
    if payments is not None:
        table = payments.of(table)
        intent = find_intent(table) or intent
    if stripe is None:
        account = survey_account(database, relation, table, intent.column, None)
        found = _found(relation, table, intent, {}, account)
        return _finished(database, relation, replace(found, payments=payments))

    ids = _ids(table, intent)
    stripe.retrieve(ids[:: max(1, len(ids) // SPREAD)], SPREAD - _known(ids, stripe))
    account = survey_account(database, relation, table, intent.column, stripe)
    found = _found(relation, table, intent, stripe.intents, account)
    if found.status is not None:
        table = _with_rows_of_words(database, relation, table, found, stripe)
        table = table if payments is None else payments.of(table)
        found = _found(relation, table, intent, stripe.intents, account)
    return _finished(database, relation, replace(found, payments=payments))


def _id(value: str | None) -> str | None:
    return None if value is None else stored_id(value.strip()).id


def _ids(table: SampledTable, intent: IntentColumn) -> list[str]:
    return [stored_id(value.strip()).id for value in table.present(intent.column)]


def _known(ids: list[str], stripe: StripeSide) -> int:
    return min(SPREAD, sum(ident in stripe.intents for ident in ids))


def _with_listed_rows(
    database: Database,
    relation: Relation,
    table: SampledTable,
    intent: IntentColumn,
    stripe: StripeSide,
) -> SampledTable:
    """The sample with the rows of the PaymentIntents that Stripe listed, unless that reads a large table whole."""
    is_indexed = any(index.columns[:1] == (intent.column.name,) for index in relation.indexes)
    if not is_indexed:
        with database.connection("asking how large the table is") as connection:
            if is_large(connection, relation):
                return table
    if not stripe.intents:
        return table
    try:
        held = _sampled(database, relation, (intent.column.reference, list(stripe.intents)))
    except SampleTooSlowError:
        return table
    return table.with_rows_of(held)


def _with_rows_of_words(
    database: Database,
    relation: Relation,
    table: SampledTable,
    found: Survey,
    stripe: StripeSide,
) -> SampledTable:
    """The sample with more rows of words that few compared rows have, and their PaymentIntents."""
    status = found.status
    if status is None:
        return table
    few = {one.word: one.compared for one in found.words if one.compared < ENOUGH}
    compared = {one.word for one in found.words}
    words = [word for word in dict.fromkeys(status.words(table)) if word is not None]
    for word in words[:MOST_WORDS]:
        if word in compared and word not in few:
            continue
        if Counter(status.words(table))[word] < ENOUGH:
            text = status.sql or status.columns[0].reference
            try:
                more = _sampled(database, relation, (text, [word]))
            except SampleTooSlowError:
                continue
            table = table.with_rows_of(more)
        of_word = [
            value
            for value, has in zip(
                table.values(found.intent.column), status.words(table), strict=True
            )
            if has == word and value is not None
        ]
        stripe.retrieve(
            (stored_id(value.strip()).id for value in of_word), ENOUGH - few.get(word, 0)
        )
    return table


def _found(
    relation: Relation,
    table: SampledTable,
    intent: IntentColumn,
    intents: Mapping[str, Intent],
    account: FoundAccount | None,
) -> Survey:
    compared = ComparedTable.of(table, intent.column, intents)
    order = find_order(compared)
    if order is not None:
        # a shop on Checkout has no id in the rows that are still open, and these prove what their word means
        compared = compared.joined_by_order(order.column, order.key, intents)
    amount, currency = find_amount(compared), find_currency(compared)
    created = find_created(compared)
    key = find_key(table, intent.column)
    parts = [found.column for found in (amount, currency, created) if found is not None]
    used = [intent.column, *parts, *([key] if key else [])]
    # the account of a payment goes with its outcome by chance
    used += [account.column] if account is not None else []
    status = find_status(compared, used)
    words: tuple[WordMeaning, ...] = ()
    if status is not None:
        rows = [
            (word, outcome_with_money_back(one))
            for word, one in zip(status.words(table), compared.intents, strict=True)
            if word is not None and one is not None
        ]
        words = meanings([word for word, _ in rows], [outcome for _, outcome in rows])
    updated = None if created is None else find_updated(table, created.column)
    return Survey(
        relation=relation,
        compared=compared,
        intent=intent,
        key=key,
        amount=amount,
        currency=currency,
        # a column that agrees in some rows only is no reason to map a constant
        currency_constant=only_currency(compared) if currency is None else None,
        created=created,
        updated=updated,
        order=order,
        status=status,
        account=account,
        words=words,
        times=None
        if any(one.is_sure for one in words)
        else find_status_times(compared, [*used, *([updated] if updated else [])]),
    )


def _finished(database: Database, relation: Relation, found: Survey) -> Survey:
    """The survey with the counts of the words, and the condition that leaves other gateways out."""
    where, is_sure = None, False
    column = found.intent.column
    sample = found.compared.table
    found = replace(found, deleted=deleted_rows(sample, sample.values(column)))
    if found.intent.foreign:
        where = separating_condition(sample, sample.values(column), column.reference)
        is_sure = not where.startswith("(")
    status = found.status
    if status is None:
        return replace(found, where=where, where_is_sure=is_sure)

    text = status.sql or status.columns[0].reference
    sure = [
        *([] if found.payments is None else [found.payments.condition]),
        *([where] if where is not None and is_sure else []),
    ]
    counted = count_words(database, relation, text, " AND ".join(sure) or None)
    counts = counted if counted is not None else Counter(status.words(found.compared.table))
    by_word = {word: count for word, count in counts.items() if word is not None}
    known = {one.word: one for one in found.words}
    words = [known.get(word) or meaning(word, {}) for word in by_word]
    return replace(
        found,
        words=tuple(words),
        counts=by_word,
        counts_sample=counted is None,
        where=where,
        where_is_sure=is_sure,
    )
