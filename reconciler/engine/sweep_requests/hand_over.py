"""A one-off sweep while the service holds the account: handed over, followed, and answered with the whole report.

So an account never has two spenders. Whoever asks may go away at any time; the sweep goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from reconciler.clock import Clock
from reconciler.domain.model.sweep_request import (
    RequestState,
    RequestStatus,
    ServingProcess,
    TakenRequest,
)
from reconciler.engine.ports import Progress
from reconciler.engine.report import Mode, Moment, SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.sweep_requests.report_codec import from_dict, to_dict
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    LeaseHeldError,
    LeaseLostError,
    ReconcilerError,
    StoppedError,
    UsageError,
)

LOOK_SECONDS: Final = 0.5
"""How often whoever asked looks how far the sweep is."""
PROGRESS_SECONDS: Final = 0.5
"""How often the service tells it."""
_WITHDRAWN: Final = "Whoever asked has taken it back."


class SweepRequests(Protocol):
    """One account's requests, for those who ask and for the service."""

    def at_work(self) -> ServingProcess | None:
        """The service that has the account's lease now, None where nobody or somebody else has it."""
        ...

    def ask(self, asked_by: str, options: Mapping[str, object]) -> int:
        """Put a request down and wake the service; its number."""
        ...

    def look(self, number: int) -> RequestState | None:
        """How a request stands, None where there is none of that number."""
        ...

    def withdraw(self, number: int, why: str) -> bool:
        """Take a request back; False where a service that is alive has taken it up, or it was answered."""
        ...

    def take(self, epoch: int) -> TakenRequest | None:
        """The oldest request that waits, taken up under the lease of this epoch; None where none waits."""
        ...

    def advance(self, number: int, epoch: int, examined: int) -> None:
        """Tell whoever asked how far the sweep is."""
        ...

    def finish(
        self,
        number: int,
        epoch: int,
        sweep: int | None,
        examined: int,
        result: Mapping[str, object],
    ) -> None:
        """Answer a request with the whole report of its sweep."""
        ...

    def refuse(self, number: int, epoch: int, why: str) -> None:
        """Answer that it will not be done; nothing happens where it has been answered already."""
        ...

    def reopen(self, epoch: int) -> int:
        """Let what an earlier holder of the lease left unfinished be taken up again; how many there are."""
        ...


def as_options(request: SweepRequest) -> dict[str, object]:
    """A request as JSON can hold it. Who asks is not in it: that has its own column."""
    return {
        "kind": request.kind.value,
        "writing": request.writing.value,
        "since": _moment_form(request.since),
        "until": _moment_form(request.until),
        "intents": list(request.intents),
    }


def as_request(options: object, asked_by: str) -> SweepRequest:
    """The request of these options. Raises UsageError where they are none: they come from a table."""
    try:
        return _understood(options, asked_by)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UsageError(
            "The request's options are not such as this version of the service understands.",
            "Ask again with reconciler sweep of the version that the service runs.",
        ) from None


def _understood(options: Any, asked_by: str) -> SweepRequest:
    intents = options["intents"]
    if not isinstance(intents, list) or not all(isinstance(item, str) for item in intents):
        raise TypeError
    return SweepRequest(
        kind=SweepKind(options["kind"]),
        writing=Writing(options["writing"]),
        asked_by=asked_by,
        since=_moment(options["since"]),
        until=_moment(options["until"]),
        intents=tuple(intents),
    )


def capped(request: SweepRequest, mode: Mode) -> SweepRequest:
    """The request as far as the service may go: in the mode "report" no row is touched."""
    if request.writing is Writing.ROWS and mode is Mode.REPORT:
        return replace(request, writing=Writing.FINDINGS)
    return request


def hand_over(
    requests: SweepRequests, request: SweepRequest, account: str, clock: Clock, progress: Progress
) -> SweepReport | None:
    """Ask the service for the sweep and wait for its report; None where no service is at work any longer.

    Raises LeaseHeldError where the service refuses. An interruption ends the waiting: a request that nobody has taken
    up is taken back, one that is being worked on goes on.
    """
    service = requests.at_work()
    if service is None:
        return None
    number = requests.ask(request.asked_by, as_options(request))
    report = SweepReport(
        account=account,
        kind=request.kind,
        mode=Mode(service.mode),
        writing=request.writing,
        asked_by=request.asked_by,
    )
    try:
        state = _followed(requests, number, clock, progress)
    except KeyboardInterrupt:
        report.complete = False
        report.stopped = _left(requests, number)
        return report
    if state is None:
        return None
    if state.status is RequestStatus.REFUSED or state.result is None:
        raise LeaseHeldError(
            f"The service {service.holder} refused the sweep: {state.answer}",
            "Mend what it says and ask again.",
        )
    return from_dict(state.result)


def _followed(
    requests: SweepRequests, number: int, clock: Clock, progress: Progress
) -> RequestState | None:
    """The request's end, None where it was taken back because nobody is there to take it up."""
    while True:
        state = requests.look(number)
        if state is None:
            return None
        if state.status in (RequestStatus.DONE, RequestStatus.REFUSED):
            return state
        # a replica may be about to take the account over, but this command may as well
        if requests.at_work() is None and requests.withdraw(number, _WITHDRAWN):
            return None
        progress.advance(state.examined, None)
        clock.sleep(LOOK_SECONDS)


def _left(requests: SweepRequests, number: int) -> str:
    if requests.withdraw(number, _WITHDRAWN):
        return "It was interrupted before the service had taken it up: nothing was done."
    return (
        "It was interrupted here; the service goes on with the sweep. reconciler status shows it."
    )


class RequestProgress:
    """Progress of a sweep, told to whoever asked for it and to another watcher."""

    def __init__(
        self, requests: SweepRequests, number: int, epoch: int, clock: Clock, other: Progress
    ) -> None:
        self._requests = requests
        self._number = number
        self._epoch = epoch
        self._clock = clock
        self._other = other
        self._told_at = clock.monotonic()

    def advance(self, examined: int, total: int | None) -> None:
        """Tell it, at most twice a second: whoever asked looks no oftener."""
        self._other.advance(examined, total)
        now = self._clock.monotonic()
        if now - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = now
        try:
            self._requests.advance(self._number, self._epoch, examined)
        except (DatabaseBusyError, DatabaseUnavailableError):
            return  # only the bar stands still; the sweep itself meets the same database


def serve_next(
    requests: SweepRequests,
    epoch: int,
    mode: Mode,
    run: Callable[[SweepRequest, int], SweepReport],
) -> SweepReport | None:
    """Take up the oldest request, make its pass by ``run(request, number)`` and answer; None where none waits.

    What keeps the sweep from beginning is the answer. Raises only what the requests themselves raise.
    """
    taken = requests.take(epoch)
    if taken is None:
        return None
    why = "The service failed in the middle of it; its log says why."
    try:
        request = capped(as_request(taken.options, taken.asked_by), mode)
        report = run(request, taken.id)
        # one that was broken off is for the next holder of the lease, or for whoever asked, to do
        if not isinstance(report.failure, StoppedError | LeaseLostError):
            requests.finish(taken.id, epoch, report.sweep, report.examined, to_dict(report))
        why = ""
    except (DatabaseBusyError, DatabaseUnavailableError, LeaseLostError):
        why = ""  # the next holder of the lease takes it up again
        raise
    except ReconcilerError as error:
        why = str(error)
        return None
    finally:
        # a request that breaks the service must not break it again and again
        if why:
            requests.refuse(taken.id, epoch, why)
    return report


def _moment_form(moment: Moment | None) -> object:
    match moment:
        case None:
            return None
        case timedelta():
            return moment.total_seconds()
        case datetime():
            return moment.isoformat()


def _moment(form: Any) -> Moment | None:
    match form:
        case None:
            return None
        case bool():
            raise TypeError
        case int() | float():
            return timedelta(seconds=form)
        case str():
            found = datetime.fromisoformat(form)
            if found.tzinfo is None:
                raise ValueError
            return found
        case _:
            raise TypeError
