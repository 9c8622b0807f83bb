"""Checks what the newest rows hold in the PaymentIntent's column."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.adapters.postgres.merchant.inspection import Inspection
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck


def id_checks(about: str, found: Inspection) -> Iterator[DoctorCheck]:
    """Whether the ids are PaymentIntents', and whether client secrets stand in the column."""
    ids, table = found.ids, found.table
    if table is None or found.relation is None or not ids.rows:
        return
    column = table.payment_intent.name
    if ids.is_wrong_column:
        yield DoctorCheck(
            about,
            CheckLevel.FAULT,
            f"none of the {ids.rows:,} newest ids in {column} is a PaymentIntent's; one is {ids.example}",
            "Map the column that holds pi_…, or leave rows of other gateways out with [payments] where.",
        )
    elif ids.other:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"{ids.other:,} of the {ids.rows:,} newest ids in {column} are no PaymentIntent's, such as {ids.example}:"
            " Stripe is not asked about them",
            "If they are no payments with Stripe, leave them out with [payments] where.",
        )
    if ids.client_secrets:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"{ids.client_secrets:,} of the {ids.rows:,} newest rows hold a client secret in {column}: a reader of it can"
            " act on its payment, and every page of a sweep reads the whole table",
            "Store only the part before _secret_. Until then run: CREATE INDEX CONCURRENTLY ON"
            f" {found.relation.quoted_name} ({table.intent_without_secret});",
        )
