"""A preview that the service makes reaches the command whole, in pages, however long it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.model.sweep_request import (
    RequestState,
    RequestStatus,
    ServingProcess,
    TakenRequest,
)
from reconciler.engine import report as report_module
from reconciler.engine.report import (
    DecisionKind,
    Mode,
    ReportLine,
    SweepKind,
    SweepReport,
    SweepRequest,
    Writing,
)
from reconciler.engine.requester import NoRequester, Requester
from reconciler.engine.sweep_requests.hand_over import MAY_BE_ASKED, hand_over, serve_next
from reconciler.engine.sweep_requests.request_lines import LINES_A_PAGE
from reconciler.errors import ReconcilerError
from tests.unit.domain.samples import NOW

EPOCH = 7
COUNT = 2 * LINES_A_PAGE + 203
PREVIEW = SweepRequest(SweepKind.ALL, Writing.NOTHING, "ana@shop")


class Requests:
    """One stored request, which the service serves as soon as it is asked."""

    def __init__(self, *, is_early_version: bool = False) -> None:
        self._is_early_version = is_early_version
        self.options: dict[str, object] = {}
        self.result: dict[str, Any] = {}
        self.pages: dict[tuple[int, int], str] = {}
        self.longest_page = 0

    def at_work(self) -> ServingProcess:
        return ServingProcess("shop:1", EPOCH, "report")

    def ask(self, _by: str, options: Mapping[str, object]) -> int:
        self.options = dict(options)
        if self._is_early_version:
            del self.options["lines"]
        serve_next(self, EPOCH, Mode.REPORT, swept)  # type: ignore[arg-type]
        return 1

    def take(self, _epoch: int) -> TakenRequest:
        return TakenRequest(1, "ana@shop", json.loads(json.dumps(self.options)))

    def finish(self, *answer: Any) -> None:
        self.result = json.loads(json.dumps(answer[-1]))

    def refuse(self, *_: object) -> None:
        raise AssertionError

    def add_lines(
        self, number: int, epoch: int, page: int, lines: Sequence[Mapping[str, object]]
    ) -> None:
        assert (number, epoch) == (1, EPOCH)
        self.longest_page = max(self.longest_page, len(lines))
        self.pages[epoch, page] = json.dumps(lines)

    def take_lines(self, _number: int, epoch: int, page: int) -> Any:
        text = self.pages.pop((epoch, page), None)
        return None if text is None else json.loads(text)

    def state(self, _number: int) -> RequestState:
        return RequestState(RequestStatus.DONE, COUNT, self.result, None, EPOCH)


def swept(request: SweepRequest, _number: int, requester: Requester) -> SweepReport:
    report = SweepReport.of(request, "default", Mode.REPORT)
    report.on_line = requester.take_line
    for number in range(COUNT):
        report.add_line(ReportLine(DecisionKind.WAIT, f"pi_{number}", ("1",), why="young"))
    return report


class Reader(NoRequester):
    def __init__(self, *, wants_every_line: bool) -> None:
        self.wants_every_line = wants_every_line
        self.lines: list[ReportLine] = []

    def take_line(self, line: ReportLine) -> None:
        self.lines.append(line)


def previewed(requests: Requests, *, wants_every_line: bool = True) -> list[str]:
    reader, progress = Reader(wants_every_line=wants_every_line), NoProgress()
    answer = hand_over(requests, PREVIEW, "default", ManualClock(NOW), progress, reader)  # type: ignore[arg-type]
    assert answer is not None
    assert answer.line_count == COUNT
    return [line.payment_intent for line in reader.lines]


class NoProgress:
    def advance(self, examined: int, total: int | None) -> None:
        """Show nothing."""


@pytest.fixture(autouse=True)
def short_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that keeps two lines."""
    monkeypatch.setattr(report_module, "LONGEST_LIST", 2)


def test_every_line_arrives_in_order() -> None:
    """More than the report keeps; neither side holds more than a page, and nothing stays stored."""
    requests = Requests()
    assert previewed(requests) == [f"pi_{number}" for number in range(COUNT)]
    assert requests.longest_page == LINES_A_PAGE
    assert requests.result["lines"] == []
    assert requests.pages == {}


def test_a_table_shows_the_first_lines() -> None:
    """For a table no page is stored."""
    requests = Requests()
    assert previewed(requests, wants_every_line=False) == ["pi_0", "pi_1"]
    assert requests.result["line_pages"] is None


def test_a_service_of_an_earlier_version_hands_over_the_first_lines() -> None:
    """The command sees from the count that there were more."""
    assert previewed(Requests(is_early_version=True)) == ["pi_0", "pi_1"]


@pytest.mark.parametrize("text", [None, "[{}]"])
def test_a_page_that_is_gone_or_not_readable_is_an_error(
    monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """A preview is never silently short."""
    requests = Requests()
    take_lines = requests.take_lines
    monkeypatch.setattr(
        requests,
        "take_lines",
        lambda number, epoch, page: (
            take_lines(number, epoch, page) if page == 0 else text and json.loads(text)
        ),
    )
    with pytest.raises(ReconcilerError, match=r"is gone|another version"):
        previewed(requests)


def test_an_interruption_while_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request may be stored already: the report says that the service may make the sweep."""
    requests = Requests()

    def ask(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(requests, "ask", ask)
    answer = hand_over(requests, PREVIEW, "default", ManualClock(NOW), NoProgress())  # type: ignore[arg-type]
    assert answer is not None
    assert (answer.complete, answer.stopped) == (False, MAY_BE_ASKED)
