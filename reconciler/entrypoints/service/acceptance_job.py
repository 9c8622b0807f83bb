"""Carries out in the service what reviewers accepted on the finance pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from reconciler.engine.account import OpenAccount
from reconciler.engine.actions.requested_acceptance import RequestOutcome, carry_out_acceptances
from reconciler.engine.health.watchdog import Pulse, Steps
from reconciler.engine.report import Mode

REPORTS_ONLY: Final = (
    'The service is in the mode "report" and writes to no row. Accept Stripe\'s side at the terminal: reconciler '
    "resolve ID --accept stripe --note TEXT"
)

log = structlog.stdlib.get_logger()


def serve_acceptances(
    opened: OpenAccount,
    epoch: int,
    raise_if_must_end: Callable[[], None],
    pulse: Pulse,
    steps: Steps,
) -> None:
    """Carry out every request that waits. In the mode "report" each one is refused. Raises what the requests raise."""
    refusal = REPORTS_ONLY if opened.mode is Mode.REPORT else None
    name = f"{opened.name}:acceptance"
    with steps.resting(), pulse.watching(name, lambda: opened.ports.stripe.reads):
        for done in carry_out_acceptances(opened, epoch, raise_if_must_end, refusal):
            request = done.request
            level = log.info if done.outcome is RequestOutcome.DONE else log.warning
            level(
                "acceptance.answered",
                account=opened.name,
                request=request.id,
                discrepancy=request.discrepancy,
                asked_by=request.asked_by,
                outcome=done.outcome.value,
                answer=done.answer,
            )
