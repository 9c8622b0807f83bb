"""``doctor``: makes every check that a sweep depends on, and shows every fault at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from reconciler.entrypoints.cli.arguments import JsonOption
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck, exit_code
from reconciler.entrypoints.invocation import Invocation, invocation

_UNUSABLE = (CheckLevel.FAULT, CheckLevel.UNREACHABLE, CheckLevel.SKIPPED)


def doctor(
    context: typer.Context,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Try the writes of a sweep even if a trigger of your table may act outside the database.",
        ),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Check everything that a sweep needs.

    Checks the configuration, the database, the table, privileges, indexes, keys, each key's permissions, the clock, and
    whether some hundred rows fit the mapping and Stripe, and shows every fault with a hint. Tries what a sweep would write on up to three rows for each outcome, and takes it
    back: nothing stays written. Exits with 78 if there is a fault, and with 75 if Stripe or the
    database is unavailable.
    """
    checks = list(_checks(invocation(context), probe=probe))
    code = exit_code(checks)
    if json:
        write_json(
            {
                "ok": code == 0,
                "checks": [
                    {
                        "about": check.about,
                        "level": check.level.value,
                        "what": check.what,
                        "hint": check.hint or None,
                    }
                    for check in checks
                ],
            }
        )
    else:
        _write(checks)
    return int(code)


def _checks(call: Invocation, *, probe: bool) -> Iterator[DoctorCheck]:
    from reconciler.entrypoints.doctor.configuration import (
        certificate_checks,
        key_checks,
        load_settings,
    )
    from reconciler.entrypoints.doctor.data import data_checks
    from reconciler.entrypoints.doctor.database import database_checks
    from reconciler.entrypoints.doctor.security import connection_checks, file_checks
    from reconciler.entrypoints.doctor.stripe import stripe_checks, subject_of

    settings, checks = load_settings(call)
    yield from checks
    if settings is None:
        # without a readable configuration nothing else can be checked; skipping says so
        yield DoctorCheck(
            "database", CheckLevel.SKIPPED, "not checked, because the configuration has faults"
        )
        yield DoctorCheck(
            "Stripe", CheckLevel.SKIPPED, "not checked, because the configuration has faults"
        )
        return
    yield from key_checks(settings)
    yield from certificate_checks(settings)
    yield from file_checks(settings, call.environ)
    found = list(database_checks(settings, probe=probe))
    yield from found
    # a database that cannot be reached, or refuses the role, is reported once
    if any(check.about == "database" and check.level is CheckLevel.OK for check in found):
        yield from connection_checks(settings)
    of_stripe = list(stripe_checks(settings, call.clock))
    yield from of_stripe
    # a database that cannot be used is reported above, and so is a key
    if any(check.about == "database" and check.level is CheckLevel.OK for check in found):
        unusable = {check.about for check in of_stripe if check.level in _UNUSABLE}
        readable = {one.name for one in settings.accounts if subject_of(one) not in unusable}
        yield from data_checks(settings, call.clock, readable)


def _write(checks: Sequence[DoctorCheck]) -> None:
    for check in checks:
        write_line(f"{check.level.value:<11}  {check.about}: {check.what}")
        if check.hint:
            write_line(f"{'':<11}  hint: {check.hint}")
    faults = sum(check.level is CheckLevel.FAULT for check in checks)
    warnings = sum(check.level is CheckLevel.WARNING for check in checks)
    write_line()
    unreachable = sum(check.level is CheckLevel.UNREACHABLE for check in checks)
    away = f" unreachable: {unreachable};" if unreachable else ""
    write_line(f"Checks: {len(checks)};{away} faults: {faults}; warnings: {warnings}.")
