"""Storing what an examination does to discrepancies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.adapters.postgres.database import Connection
from reconciler.adapters.postgres.statements import statements
from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.domain.findings.discrepancy import Finding
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.page import PageRecord

_SQL: Final = statements("discrepancies")


def store_updates(connection: Connection, account: str, record: PageRecord) -> None:
    """Insert, refresh and close discrepancies, three statements at most. Meant for a pipeline.

    A change without a finding only moves the state. Where one identity occurs twice the last stands.
    """
    changes = tuple({(change.subject, change.kind): change for change in record.updates}.values())
    times: dict[str, object] = {
        "account": account,
        "seen_at": record.seen_at,
        "sweep": record.sweep,
    }
    new = [
        _values(change, change.finding)
        for change in changes
        if change.finding and change.id is None
    ]
    if new:
        connection.execute(_SQL["discrepancies_insert"], {**times, "changes": canonical_json(new)})
    again = [
        _values(change, change.finding)
        for change in changes
        if change.finding and change.id is not None
    ]
    if again:
        connection.execute(
            _SQL["discrepancies_update"], {**times, "changes": canonical_json(again)}
        )
    _move(connection, times, [change for change in changes if change.finding is None])


def _move(
    connection: Connection, times: dict[str, object], changes: Sequence[DiscrepancyUpdate]
) -> None:
    if not changes:
        return
    connection.execute(
        _SQL["discrepancies_move"],
        {
            **times,
            "subjects": [change.subject for change in changes],
            "kinds": [change.kind.value for change in changes],
            "states": [change.state.value for change in changes],
            "closings": [change.closing for change in changes],
            "notes": [change.note for change in changes],
            "settled_by": [change.by for change in changes],
            "news": [change.is_news for change in changes],
        },
    )


def _values(change: DiscrepancyUpdate, finding: Finding) -> dict[str, object]:
    return {
        "subject": change.subject,
        "kind": change.kind.value,
        "state": change.state.value,
        "is_news": change.is_news,
        "payment_intent": finding.payment_intent,
        "keys": finding.keys,
        "severity": finding.severity.value,
        "reason": finding.reason,
        "cause": finding.cause,
        "stake_amount": abs(finding.stake.amount),
        "currency": finding.stake.currency,
        "local": finding.local,
        "stripe": finding.stripe,
        "evidence": finding.evidence,
        "fingerprint": finding.fingerprint,
    }
