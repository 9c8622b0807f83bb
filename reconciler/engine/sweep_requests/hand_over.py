"""Sweep requests: if the service holds the account, it makes the sweep that a person asks for.

So two processes never spend the rate limits of one account. The person's command may end at any time; the sweep goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.clock import Clock
from reconciler.domain.model.sweep_request import RequestState, RequestStatus
from reconciler.engine.ports import Progress, SweepRequests
from reconciler.engine.report import (
    Mode,
    Moment,
    ReportLine,
    SweepKind,
    SweepReport,
    SweepRequest,
    Writing,
)
from reconciler.engine.requester import NoRequester, Requester
from reconciler.engine.review import Review, ReviewedLine
from reconciler.engine.sweep_requests.report_codec import from_dict, to_dict
from reconciler.engine.sweep_requests.request_lines import LineStore, stored_lines
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    LeaseHeldError,
    LeaseLostError,
    ReconcilerError,
    StoppedError,
    UsageError,
)

CHECK_SECONDS: Final = 0.5
"""How often the command reads how far the sweep is."""
PROGRESS_SECONDS: Final = 0.5
"""How often the service stores how far the sweep is."""
LINES: Final = "lines"
"""The option of a request that asks for every line. A service of an earlier version hands over only the first lines."""
MAY_BE_ASKED: Final = (
    "The command was interrupted while it asked the service for the sweep. The "
    "service may still make the sweep: see reconciler status."
)
_WITHDRAWN: Final = "The command that asked for the sweep has withdrawn the request."


def as_options(request: SweepRequest) -> dict[str, object]:
    """A request as JSON can hold it. Who asks is not part of it: that has its own column. The claimed name is."""
    return {
        "kind": request.kind.value,
        "writing": request.writing.value,
        "since": _moment_value(request.since),
        "until": _moment_value(request.until),
        # a service of an earlier version knows no review: it refuses what is not a list, instead of sweeping everything
        "intents": _intents_value(request),
        "claimed_by": request.claimed_by,
        "again": request.again,
        "approved": request.approved,
    }


def _intents_value(request: SweepRequest) -> object:
    if request.review is None:
        return list(request.intents)
    lines = request.review.lines
    return {
        "reviewed": [
            [line.payment_intent, line.kind, line.fingerprint, line.to_status] for line in lines
        ]
    }


def as_request(options: object, asked_by: str) -> SweepRequest:
    """The request of these options. Raises UsageError if they are not valid, because they come from a table."""
    try:
        return _parsed(options, asked_by)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise UsageError(
            "The service cannot read this request, because this command has another version than the service.",
            "Install the service's version on this machine, and run the command again.",
        ) from None


def _parsed(options: Any, asked_by: str) -> SweepRequest:
    intents = options["intents"]
    review = None
    if isinstance(intents, dict):
        review = Review(tuple(_reviewed_line(*line) for line in intents["reviewed"]))
        intents = []
    if not isinstance(intents, list) or not all(isinstance(item, str) for item in intents):
        raise TypeError
    # a command of an earlier version gives no name
    claimed_by = options.get("claimed_by")
    if claimed_by is not None and not isinstance(claimed_by, str):
        raise TypeError
    again = options.get("again")
    if again is not None and type(again) is not int:
        raise TypeError
    return SweepRequest(
        kind=SweepKind(options["kind"]),
        writing=Writing(options["writing"]),
        asked_by=asked_by,
        since=_moment(options["since"]),
        until=_moment(options["until"]),
        intents=tuple(intents),
        claimed_by=claimed_by,
        again=again,
        approved=options.get("approved") is True,
        review=review,
    )


def _reviewed_line(intent: Any, kind: Any, fingerprint: Any, to_status: Any) -> ReviewedLine:
    optional = (kind, fingerprint, to_status)
    if not isinstance(intent, str) or not all(
        item is None or isinstance(item, str) for item in optional
    ):
        raise TypeError
    return ReviewedLine(intent, *optional)


def capped(request: SweepRequest, mode: Mode) -> SweepRequest:
    """The request as far as the service may carry it out: in the mode "report" it writes to no row."""
    if request.writing is Writing.ROWS and mode is Mode.REPORT:
        return replace(request, writing=Writing.FINDINGS)
    return request


def hand_over(
    requests: SweepRequests,
    request: SweepRequest,
    account: str,
    clock: Clock,
    progress: Progress,
    requester: Requester | None = None,
) -> SweepReport | None:
    """Ask the service for a sweep and wait for its report. None if no service holds the account any more.

    Raises LeaseHeldError if the service refuses. An interruption ends the waiting: a request that the service has not
    taken yet is withdrawn, and a sweep that it has begun goes on.
    """
    service = requests.at_work()
    if service is None:
        return None
    requester = requester or NoRequester()
    if request.writing is Writing.ROWS and capped(request, Mode(service.mode)) is not request:
        requester.tell(
            f'The service {service.holder} works on account {account} in the mode "report": this '
            "sweep will only record findings, and change no row."
        )
    number: int | None = None
    try:
        # from here on the sweep belongs to the service, also if this command ends
        number = requests.ask(
            request.asked_by, {**as_options(request), LINES: requester.wants_every_line}
        )
        state = _wait_for_answer(requests, number, clock, progress)
    except KeyboardInterrupt:
        report = SweepReport.of(request, account, Mode(service.mode))
        report.complete = False
        report.stopped = MAY_BE_ASKED if number is None else _stop_waiting(requests, number)
        return report

    if state is None:
        return None
    if state.status is RequestStatus.REFUSED or state.result is None:
        raise LeaseHeldError(
            f"The service {service.holder} refused the sweep: {state.answer}",
            "Correct what the service's answer names, and run the command again.",
        )
    answer = from_dict(state.result)
    # only now: a service that dies before leaves the whole sweep, with every line of it, to another process
    for line in _lines(requests, number, state, answer):
        requester.take_line(line)
    return answer


def _lines(
    requests: SweepRequests, number: int, state: RequestState, answer: SweepReport
) -> Iterable[ReportLine]:
    """Every line of the report; the first of them if the service is of an earlier version, which stores no lines."""
    count = None if state.result is None else state.result.get("line_pages")
    if not isinstance(count, int) or state.epoch is None:
        return answer.lines
    return stored_lines(requests, number, state.epoch, count)


def _wait_for_answer(
    requests: SweepRequests, number: int, clock: Clock, progress: Progress
) -> RequestState | None:
    """The answered request. None if it was withdrawn because no service is left to take it."""
    while True:
        state = requests.state(number)
        if state is None:
            return None
        if state.status in (RequestStatus.DONE, RequestStatus.REFUSED):
            return state
        # another replica may be about to take the account over, but so may this command
        if requests.at_work() is None and requests.withdraw(number, _WITHDRAWN):
            return None
        progress.advance(state.examined, None)
        clock.sleep(CHECK_SECONDS)


def _stop_waiting(requests: SweepRequests, number: int) -> str:
    if requests.withdraw(number, _WITHDRAWN):
        return "The command was interrupted before the service took the request: nothing was done."
    return (
        "The command was interrupted, but the service continues the sweep: see reconciler status."
    )


class RequestProgress:
    """Stores the progress of a requested sweep for the command that asked, and forwards it to ``other``."""

    def __init__(
        self, requests: SweepRequests, number: int, epoch: int, clock: Clock, other: Progress
    ) -> None:
        self._requests = requests
        self._number = number
        self._epoch = epoch
        self._clock = clock
        self._other = other
        self._stored_at = clock.monotonic()

    def advance(self, examined: int, total: int | None) -> None:
        """Store it at most twice a second, because the command reads it no more often."""
        self._other.advance(examined, total)
        now = self._clock.monotonic()
        if now - self._stored_at < PROGRESS_SECONDS:
            return
        self._stored_at = now
        try:
            self._requests.advance(self._number, self._epoch, examined)
        except (DatabaseBusyError, DatabaseUnavailableError):
            return  # only the progress bar stops; the sweep itself meets the same error


def serve_next(
    requests: SweepRequests,
    epoch: int,
    mode: Mode,
    run: Callable[[SweepRequest, int, Requester], SweepReport],
) -> SweepReport | None:
    """Take the oldest request, make its sweep by ``run(request, number, requester)``, and answer. None if none waits.

    An error that keeps the sweep from beginning is the answer. Raises only what the requests themselves raise.
    """
    taken = requests.take(epoch)
    if taken is None:
        return None
    why = "The service failed during this sweep; its log says why."
    try:
        request = capped(as_request(taken.options, taken.asked_by), mode)
        lines = LineStore(requests, taken.id, epoch) if _wants_lines(taken.options) else None
        report = run(request, taken.id, lines or NoRequester())
        # a sweep that was stopped is left to the next holder of the lease, or to the command that asked
        if not isinstance(report.failure, StoppedError | LeaseLostError):
            if lines is not None:
                lines.close()
            result = to_dict(report, None if lines is None else lines.pages)
            requests.finish(taken.id, epoch, report.sweep, report.examined, result)
        why = ""
    except (DatabaseBusyError, DatabaseUnavailableError, LeaseLostError):
        why = ""  # the next holder of the lease takes it again
        raise
    except ReconcilerError as error:
        why = str(error)
        return None
    finally:
        # a request at which the service fails must not make it fail again and again
        if why:
            requests.refuse(taken.id, epoch, why)
    return report


def _wants_lines(options: object) -> bool:
    return isinstance(options, Mapping) and options.get(LINES) is True


def _moment_value(moment: Moment | None) -> object:
    match moment:
        case None:
            return None
        case timedelta():
            return moment.total_seconds()
        case datetime():
            return moment.isoformat()


def _moment(value: Any) -> Moment | None:
    match value:
        case None:
            return None
        case bool():
            raise TypeError
        case int() | float():
            return timedelta(seconds=value)
        case str():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise ValueError
            return moment
        case _:
            raise TypeError
