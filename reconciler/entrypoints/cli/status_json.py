"""The documented, stable shape of ``status --json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.engine.health.remarks import Remark, worst
from reconciler.engine.health.status import AccountStatus, Expectations
from reconciler.entrypoints.invocation import PROGRAM


def as_json(
    one: AccountStatus, found: Sequence[Remark], expected: Expectations, named: str | None = None
) -> Mapping[str, object]:
    """The shape for one account. ``named`` is the account that commands name, None if there is only one."""
    lease = one.lease
    return {
        "account": one.account,
        "level": worst(tuple(found)).name.lower(),
        "remarks": [
            {
                "level": remark.level.name.lower(),
                "what": remark.what,
                "command": _command(remark, named),
                "check": remark.check.value,
            }
            for remark in found
        ],
        "holder": lease.holder,
        "lease_seconds_left": lease.seconds_left,
        "is_service": lease.service,
        "mode": lease.mode,
        "since": lease.since,
        "error": lease.error,
        "error_at": lease.error_at,
        "paused": None
        if one.pause is None
        else {
            "since": one.pause.since,
            "until": one.pause.until,
            "asked_by": one.pause.asked_by,
            "claimed_by": one.pause.claimed_by,
        },
        "sweeps": [
            {
                "kind": item.kind,
                "sweep": item.complete,
                "finished_at": item.complete_at,
                "age_seconds": item.age,
                "asked_by": item.asked_by,
                "last_sweep": item.last,
                "last_finished_at": item.last_at,
                "last_complete": item.last_complete,
                "stopped": item.stopped,
                "other_ids": item.other_ids,
                "anchor_error": item.anchor_error,
                "rows_of_no_account": (
                    None if item.rows_of_no_account is None else item.rows_of_no_account.to_dict()
                ),
            }
            for item in one.sweeps
        ],
        "open_payments": dict(one.open_payments),
        "open_without_intent": one.open_without_intent,
        "open_discrepancies": [
            {
                "severity": item.severity.value,
                "kind": item.kind,
                "held_back": item.held_back,
                "count": item.count,
                "amount": item.stake,
                "currency": item.currency,
            }
            for item in one.findings
        ],
        "at_stake_total": [
            {"currency": currency, "amount": amount}
            for currency, amount in one.at_stake_total.items()
        ],
        "held_back": one.held_back,
        "refusals": [
            {
                "reason": item.reason,
                "constraint": item.constraint or None,
                "message": item.message,
                "count": item.count,
            }
            for item in one.refusals
        ],
        "reads_30_days": one.reads,
        "reads_30_days_limit": expected.reads,
        "tail_every_seconds": expected.every["tail"].total_seconds(),
        "requests": one.requests,
        "tail_lag_seconds": one.tail_lag,
        "rate_usage": None if one.rate_usage is None else one.rate_usage.to_dict(),
        "outbox": {
            "waiting": one.outbox.waiting,
            "given_up": one.outbox.given_up,
            "oldest_age_seconds": one.outbox.oldest_age,
            "last_error": one.outbox.last_error,
            "failures": one.outbox.failures,
            "failing_since": one.outbox.failing_since,
        },
    }


def _command(remark: Remark, named: str | None) -> str | None:
    command = remark.command_for(named)
    return None if command is None else f"{PROGRAM} {command}"
