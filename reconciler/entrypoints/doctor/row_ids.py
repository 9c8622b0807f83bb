"""Checks what the newest rows hold in the PaymentIntent's column."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import Relation, RelationKind
from reconciler.adapters.postgres.merchant.inspection import Inspection
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.sampling.row_sample import SampleTooSlowError, sample_rows
from reconciler.domain.sample.row_conditions import separating_condition
from reconciler.domain.sample.sampled_table import SampledTable, reference
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck


def id_checks(about: str, found: Inspection, database: Database) -> Iterator[DoctorCheck]:
    """Whether the ids are PaymentIntents', and whether client secrets stand in the column.

    If some are another gateway's, the hint is a condition that leaves them out.
    """
    ids, table = found.ids, found.table
    if table is None or found.relation is None or not ids.rows:
        return
    column = table.payment_intent.name
    if ids.is_wrong_column:
        yield DoctorCheck(
            about,
            CheckLevel.FAULT,
            f"none of the {ids.rows:,} newest ids in {column} is the id of a PaymentIntent; an "
            f"example is {ids.example}",
            "Map the column that holds pi_…, or leave rows of other gateways out with [payments] where.",
        )
    elif ids.other:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"{ids.other:,} of the {ids.rows:,} newest ids in {column} are not ids of PaymentIntents, such as "
            f"{ids.example}: Reconciler does not ask Stripe about them",
            f"If these rows are no payments with Stripe, leave them out: {_condition(found, table, database)}",
        )
    if ids.client_secrets:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"{ids.client_secrets:,} of the {ids.rows:,} newest rows hold a client secret in "
            f"{column}. A person who reads the secret can act on the payment. And because of the "
            "secrets, a sweep reads the whole table for every page",
            f"Store only the part before _secret_.{_index(found.relation, table)}",
        )


def _index(relation: Relation, table: MerchantTable) -> str:
    """The statement for the index that serves the ids in front of the secrets; empty for a view, which has none."""
    concurrently = {RelationKind.TABLE: " CONCURRENTLY", RelationKind.PARTITIONED: ""}
    if relation.kind not in concurrently:
        return ""
    # the statements' own comments would end in the middle of the line
    text = re.sub(r"-- \w+\n", "", table.intent_without_secret)
    return f" Until then run: CREATE INDEX{concurrently[relation.kind]} ON {relation.quoted_name} ({text});"


def _condition(found: Inspection, table: MerchantTable, database: Database) -> str:
    """The line of a configuration that leaves out what is no payment with Stripe, together with the present condition."""
    column = table.payment_intent
    text = reference(column.name) if column.sql_text is None else f"({column.sql_text})"
    sample = SampledTable(table.name, (), ())
    if found.relation is not None:
        # without a sample the condition compares the ids themselves
        with contextlib.suppress(SampleTooSlowError):
            sample = sample_rows(database, found.relation)
    named = [one for one in sample.columns if column.name in (one.name, one.sql)]
    if not named:
        sample = SampledTable(table.name, (), ())
    ids = sample.values(named[0]) if named else []
    condition = separating_condition(sample, ids, text)
    if found.mapping.where is not None:
        condition = f"({found.mapping.where}) AND {condition}"
    return f"where = {json.dumps(condition, ensure_ascii=False)}"
