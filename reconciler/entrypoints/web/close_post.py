"""Takes a step of closing a period from a reviewer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from reconciler.clock import Clock
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.statement.period import Period
from reconciler.engine.actions.close_period import prepare, reopen_period, sign
from reconciler.entrypoints.shown_text import moment_text
from reconciler.entrypoints.web.call import NotFoundError, WrongAddressError
from reconciler.entrypoints.web.identity import Reader
from reconciler.entrypoints.web.months import CUTOFF_AFTER
from reconciler.entrypoints.web.page_token import PageTokens
from reconciler.entrypoints.web.pages.closing import CloseStep
from reconciler.entrypoints.web.post import Render, checked_post, refuse
from reconciler.entrypoints.web.refusal import REFUSALS, refused
from reconciler.entrypoints.web.tables import address, with_value
from reconciler.settings import Settings
from reconciler.wiring.close import closer_of
from reconciler.wiring.web_records import WebRecords

_log = structlog.get_logger()


def close_endpoint(
    records: WebRecords,
    settings: Settings,
    clock: Clock,
    tokens: PageTokens,
    reader_of: Callable[[Request], Reader],
    render: Render,
) -> Callable[[Request], Any]:
    """The endpoint of every step of a close."""

    async def endpoint(request: Request) -> Response:
        reader, values = await checked_post(request, tokens, reader_of)
        return await run_in_threadpool(_answer, request, reader, values)

    def _answer(request: Request, reader: Reader, values: Mapping[str, Sequence[str]]) -> Response:
        sent = {name: (found[0].strip() if found else "") for name, found in values.items()}
        account = sent.get("account", "")
        try:
            step = CloseStep(sent.get("step", ""))
        except ValueError:
            raise WrongAddressError(
                "The request names no step of the close.", "Load the page again, and choose a step."
            ) from None
        period = _period(sent, settings)
        days = {"from": period.first.isoformat(), "to": period.last.isoformat()}
        page = address("/statement", account=account, **days)
        try:
            _do(records, settings, clock, account, period, step, sent, reader)
        except NotFoundError:
            raise
        except REFUSALS as error:
            back = address("/statement", account=account, **days, cutoff=sent.get("as_of"))
            return refuse(error, render, refused(error, values, "/close", back), request, reader)
        records.forget_figures()
        _log.info("web.close", actor=reader.actor, step=step.value, account=account)
        return RedirectResponse(with_value(page, "done", step.value), status_code=303)

    return endpoint


def _do(
    records: WebRecords,
    settings: Settings,
    clock: Clock,
    account: str,
    period: Period,
    step: CloseStep,
    sent: Mapping[str, str],
    reader: Reader,
) -> None:
    if account not in records.accounts():
        raise NotFoundError("There is no such account.", "")
    ledger = records.period_ledger(account)
    closer = closer_of(settings, AskedBy(reader.actor), reader.actor, _seen(sent))
    now = clock.now()
    note = sent.get("note", "")
    match step:
        case CloseStep.PREPARE:
            prepare(ledger, period, _cutoff(sent, period, now), now, closer, note or None)
        case CloseStep.SIGN:
            sign(ledger, period, now, closer)
        case CloseStep.REOPEN:
            reopen_period(ledger, period, closer, note)


def _period(sent: Mapping[str, str], settings: Settings) -> Period:
    try:
        first, last = (date.fromisoformat(sent.get(name, "")) for name in ("from", "to"))
    except ValueError:
        raise WrongAddressError(
            "The request does not say which period the step is about.", "Load the page again."
        ) from None
    if last < first:
        raise WrongAddressError("The period ends before it begins.", "")
    return Period(first, last, settings.statement.zone)


def _seen(sent: Mapping[str, str]) -> int:
    """The last step that the page showed: another person may have prepared another version since."""
    text = sent.get("seen", "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise WrongAddressError(
            "The request does not say which version the step is about.", "Load the page again."
        )
    return int(text)


def _cutoff(sent: Mapping[str, str], period: Period, now: datetime) -> datetime:
    text = sent.get("cutoff", "")
    if not text:
        return (period.end + CUTOFF_AFTER).astimezone(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise WrongAddressError(
            '"Cut-off" is not a time with a time zone.',
            "Write it such as 2026-11-06T00:00:00+00:00.",
        )
    # what is signed has the cut-off that a person chose, or none is prepared
    if found > now:
        raise WrongAddressError(
            f'"Cut-off" is in the future: {moment_text(found)} UTC.',
            f"Write a time up to {moment_text(now)} UTC.",
        )
    return found.astimezone(UTC)
