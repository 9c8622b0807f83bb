"""``resolve --requested``: carries out what reviewers accepted on the finance pages, if no service does it."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.engine.actions.requested_acceptance import (
    AttemptedRequest,
    RequestOutcome,
    carry_out_acceptances,
)
from reconciler.entrypoints.cli.delivery_notice import write_delivery_notices
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.cli.resolve import written_json
from reconciler.entrypoints.invocation import Invocation
from reconciler.exit_codes import ExitCode
from reconciler.wiring.account import open_account


def carry_out_requested(call: Invocation, account: str | None, *, as_json: bool) -> int:
    """Carry out what waits for one account, or for each one. Exits with 75 if something has to be tried again."""
    settings = call.settings()
    chosen = settings.accounts if account is None else (settings.account(account),)
    done: list[tuple[str, AttemptedRequest]] = []
    for one in chosen:
        with (
            open_account(settings, one, call.clock, writes_rows=True) as opened,
            opened.writing_epoch() as epoch,
        ):
            done += [
                (one.name, attempt)
                for attempt in carry_out_acceptances(opened, epoch, lambda: None)
            ]
    if as_json:
        write_json([_as_json(name, attempt) for name, attempt in done])
    else:
        for _, attempt in done:
            request = attempt.request
            write_line(
                f"Request {request.id} of {request.asked_by} about discrepancy {request.discrepancy} is"
                f" {attempt.outcome.value}. {attempt.answer}"
            )
        if not done:
            write_line("No reviewer's request is waiting.")
        written = dict.fromkeys(name for name, attempt in done if attempt.written is not None)
        write_delivery_notices(settings, written)
    waits = any(attempt.outcome is RequestOutcome.POSTPONED for _, attempt in done)
    return int(ExitCode.TEMPORARY if waits else ExitCode.DONE)


def _as_json(account: str, attempt: AttemptedRequest) -> Mapping[str, object]:
    request = attempt.request
    return {
        "account": account,
        "request": request.id,
        "discrepancy": request.discrepancy,
        "asked_by": request.asked_by,
        "outcome": attempt.outcome.value,
        "answer": attempt.answer,
        **written_json(attempt.written),
    }
