"""Carries out what reviewers accepted on the pages: Stripe's outcome for a row, in the reviewer's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.model.acceptance_request import AcceptanceRequest
from reconciler.domain.model.match_facts import FactNeededError
from reconciler.engine.acceptance_requests import AcceptanceRequests
from reconciler.engine.actions.acceptance import (
    AcceptanceAnsweredError,
    AcceptedBy,
    AcceptedRow,
    CannotAcceptError,
)
from reconciler.engine.actions.resolve import accept_stripe
from reconciler.errors import (
    DatabaseUnavailableError,
    LeaseLostError,
    ReconcilerError,
    RowRefusedError,
    StoppedError,
    UsageError,
)
from reconciler.masking import redact

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


class RequestOutcome(StrEnum):
    """What became of an attempt at a request."""

    DONE = "done"
    REFUSED = "refused"
    POSTPONED = "postponed"


@dataclass(frozen=True, slots=True)
class AttemptedRequest:
    """A request after an attempt. ``answer`` says which row was written, or why none was; ``written`` is that row."""

    request: AcceptanceRequest
    outcome: RequestOutcome
    answer: str
    written: AcceptedRow | None = None


def carry_out_acceptances(
    account: OpenAccount,
    epoch: int,
    raise_if_must_end: Callable[[], None],
    refusal: str | None = None,
) -> Iterator[AttemptedRequest]:
    """Carry out what waits, under a lease that the caller holds: with every check of ``reconciler resolve --accept stripe``.

    The answer is stored in the transaction that writes the row, so that each request is carried out once, also if a
    process is killed or two try it at the same time. With ``refusal`` each one is refused with these words. A request
    that cannot be carried out now waits for another attempt. Raises what ``raise_if_must_end`` raises,
    DatabaseUnavailableError, LeaseLostError and StoppedError.
    """
    requests = account.ports.new_acceptances()
    is_ready = False
    for request in requests.waiting():
        raise_if_must_end()
        if refusal is not None:
            requests.refuse(request.id, refusal)
            yield AttemptedRequest(request, RequestOutcome.REFUSED, refusal)
            continue
        if not is_ready:
            account.renew_quota()
            account.ports.table_guard.check(epoch)
            is_ready = True
        done = _attempt(account, epoch, requests, request)
        if done is not None:
            yield done


def _attempt(
    account: OpenAccount, epoch: int, requests: AcceptanceRequests, request: AcceptanceRequest
) -> AttemptedRequest | None:
    """Try one request; None if another process was faster."""
    by = AcceptedBy(
        AskedBy(request.asked_by), request.note, request.row, request.amount_differs, request
    )
    try:
        done = accept_stripe(account, request.discrepancy, by, epoch)
    except AcceptanceAnsweredError:
        return None
    except (CannotAcceptError, RowRefusedError, UsageError) as error:
        why = redact(str(error))
        requests.refuse(request.id, why)
        return AttemptedRequest(request, RequestOutcome.REFUSED, why)
    except FactNeededError as needed:
        why = f"To decide, Reconciler needs a fact from Stripe that it could not read: {needed.question.value}."
        requests.refuse(request.id, why)
        return AttemptedRequest(request, RequestOutcome.REFUSED, why)
    except (DatabaseUnavailableError, LeaseLostError, StoppedError):
        raise
    except ReconcilerError as error:
        # Stripe is unavailable, the row is locked, the account is paused: a later attempt may succeed
        why = redact(str(error))
        requests.postpone(request.id, why)
        return AttemptedRequest(request, RequestOutcome.POSTPONED, why)
    answer = "" if done.written is None else " ".join(done.written.lines)
    return AttemptedRequest(request, RequestOutcome.DONE, answer, done.written)
