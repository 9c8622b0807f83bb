"""Checks that the merchant's table takes what a sweep would write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import Inspection
from reconciler.adapters.postgres.page.write_probe import (
    TriedWrites,
    outward_functions,
    try_writes,
)
from reconciler.domain.model.payment import AccountRows
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck


def write_checks(
    about: str,
    database: Database,
    found: Inspection,
    accounts: Sequence[AccountRows],
    *,
    probe: bool,
) -> Iterator[DoctorCheck]:
    """Each outcome's write, tried on some rows and rolled back.

    With ``probe`` also if a trigger may act outside of the database, where nothing can be rolled back.
    """
    table, relation = found.table, found.relation
    if table is None or relation is None:
        return
    outward = outward_functions(database, relation)
    if outward and not probe:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"the writes were not tried: {', '.join(outward)}, which a trigger of the table calls, may act outside "
            "of the database",
            "If a trial of these triggers does no harm, try the writes with: reconciler doctor --probe",
        )
        return
    for tried in try_writes(database, table, accounts):
        yield _check(about, tried, relation.role)


def _check(about: str, tried: TriedWrites, role: str) -> DoctorCheck:
    write = f'the write of "{tried.status}"{_besides(tried)}'
    if not tried.tried:
        what = f"{write} was not tried: no unlocked row could get this status"
        return DoctorCheck(about, CheckLevel.SKIPPED, what)
    if not tried.refused:
        what = f"{write} was tried on {tried.tried} rows and undone"
        return DoctorCheck(about, CheckLevel.OK, what)

    first = tried.refused[0]
    rule = f" by {first.constraint}" if first.constraint else ""
    return DoctorCheck(
        about,
        CheckLevel.FAULT if len(tried.refused) == tried.tried else CheckLevel.WARNING,
        f"the table refuses {write}{rule} for {len(tried.refused)} of {tried.tried} tried rows: {first.message}",
        f"Change the rule that refuses the write, or GRANT the role {role} what the rule's function needs.",
    )


def _besides(tried: TriedWrites) -> str:
    if not tried.columns:
        return f" ({tried.outcome.value})"
    return f" and of {', '.join(tried.columns)} ([payments.set.{tried.outcome.value}])"
