"""Reading pages: complete, in bounded memory, and one failure loses one intent."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.cursor_ranges import cursor_ranges
from reconciler.engine.reads import fetcher as fetcher_module
from reconciler.engine.reads.fetcher import Fetcher
from reconciler.errors import MalformedAnswerError, StripeRefusedError, StripeUnavailableError
from tests.unit.engine.doubles import NOW, PlainStripe, an_intent


@pytest.fixture
def stripe() -> PlainStripe:
    intents = [
        an_intent(f"pi_{number:04}", created=NOW - timedelta(minutes=number))
        for number in range(1234)
    ]
    return PlainStripe({intent.id: intent for intent in intents})


def a_fetcher(stripe: PlainStripe, page_size: int = 100) -> Fetcher:
    return Fetcher(stripe, ManualClock(NOW), workers=4, page_size=page_size)


def test_retrieved_pages_hold_every_intent_once_and_in_order(stripe: PlainStripe) -> None:
    """Every page except the last is full, and the pages keep the order that was asked for."""
    wanted = sorted(stripe.intents)
    with a_fetcher(stripe) as fetcher:
        pages = list(fetcher.retrieve_pages(wanted))
    assert [len(page.answers) for page in pages] == [100] * 12 + [34]
    assert [answer.intent.id for page in pages for answer in page.answers] == wanted


def test_one_intent_that_cannot_be_read_does_not_lose_its_page(stripe: PlainStripe) -> None:
    """The others of the page are answered, and the failure names the intent and the reason."""

    def fail(intent_id: str) -> None:
        if intent_id == "pi_0003":
            raise MalformedAnswerError("cut short.", "Try again.")

    stripe.fail = fail
    with a_fetcher(stripe, 10) as fetcher:
        (page,) = fetcher.retrieve_pages([f"pi_{n:04}" for n in range(10)])
    assert len(page.answers) == 9
    assert [(lost.what, lost.why) for lost in page.failures] == [
        ("pi_0003", "cut short. Try again.")
    ]


def test_an_outage_costs_few_reads(stripe: PlainStripe) -> None:
    """While Stripe is away few retrieves are sent. Each payment is still named with the reason, as not examined."""

    def fail(_: str) -> None:
        raise StripeUnavailableError("connection refused.", "Wait.")

    stripe.fail = fail
    with a_fetcher(stripe) as fetcher:
        pages = list(fetcher.retrieve_pages(sorted(stripe.intents)[:300]))
    lost = [failure for page in pages for failure in page.failures]
    assert [one.what for one in lost] == sorted(stripe.intents)[:300]
    assert {one.why for one in lost} == {"connection refused. Wait."}
    # 20 in a row, those of the other threads meanwhile, and every tenth
    assert stripe.reads <= 20 + 4 + 30


def test_the_reading_goes_on_after_an_outage(stripe: PlainStripe) -> None:
    """As soon as one retrieve is answered, all others are sent again."""
    ids = sorted(stripe.intents)[:200]

    def fail(intent_id: str) -> None:
        if intent_id < ids[40]:
            raise StripeUnavailableError("connection refused.", "Wait.")

    stripe.fail = fail
    with Fetcher(stripe, ManualClock(NOW), workers=1, page_size=100) as fetcher:
        pages = list(fetcher.retrieve_pages(ids))
    answered = [answer.intent.id for page in pages for answer in page.answers]
    assert answered == ids[-len(answered) :]
    assert len(answered) >= 150


def test_answers_that_cannot_be_read_are_no_outage(stripe: PlainStripe) -> None:
    """Stripe answers, so every retrieve is sent, however many answers in a row are malformed."""

    def fail(intent_id: str) -> None:
        if intent_id < "pi_0060":
            raise MalformedAnswerError("cut short.", "Try again.")

    stripe.fail = fail
    with a_fetcher(stripe) as fetcher:
        (page,) = fetcher.retrieve_pages(sorted(stripe.intents)[:100])
    assert (len(page.answers), stripe.reads) == (40, 100)


def test_a_refused_key_ends_the_reading(stripe: PlainStripe) -> None:
    """401 and 403 concern every read, so the error is raised at once."""

    def fail(_: str) -> None:
        raise StripeRefusedError("no.", "Give it a key.")

    stripe.fail = fail
    with a_fetcher(stripe) as fetcher, pytest.raises(StripeRefusedError):
        list(fetcher.retrieve_pages(sorted(stripe.intents)))


def test_what_cannot_be_an_id_is_never_asked_for(stripe: PlainStripe) -> None:
    """An empty id would list all intents, and a slash would call another endpoint."""
    with a_fetcher(stripe) as fetcher:
        (page,) = fetcher.retrieve_pages(["", "pi_1/cancel", "pi 1", "é", "pi_0001\n"])
    assert stripe.asked == []
    assert all(answer.intent.impossible for answer in page.answers)  # type: ignore[union-attr]


@pytest.mark.parametrize("expected", [0, 1234, 100_000])
def test_several_cursors_hold_every_intent_once(stripe: PlainStripe, expected: int) -> None:
    """However a range is cut, its stretches neither overlap nor leave a gap."""
    created = TimeRange(NOW - timedelta(days=2), None)
    stretches = cursor_ranges(created, NOW, expected)
    with a_fetcher(stripe) as fetcher:
        pages = list(fetcher.list_pages(stretches))
    found = [answer.intent.id for page in pages for answer in page.answers]
    assert sorted(found) == sorted(stripe.intents)
    assert sum(page.ends for page in pages) == len(stretches)


def test_a_list_that_breaks_off_names_what_is_missing(stripe: PlainStripe) -> None:
    """The page before the failure is kept; the failure names the rest of the stretch and the last cursor."""

    def fail(after: str) -> None:
        if after == "pi_0099":
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    stripe.fail = fail
    with a_fetcher(stripe) as fetcher:
        pages = list(fetcher.list_pages([TimeRange(NOW - timedelta(days=2), None)]))
    assert [len(page.answers) for page in pages] == [100, 0]
    assert pages[-1].is_lost
    assert "pi_0099" in pages[-1].failures[0].what
    assert not any(page.ends for page in pages)


def test_cursors_read_ahead_while_a_page_is_processed(
    stripe: PlainStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the current page is recorded, Stripe is asked for so many pages ahead, and for no more."""
    monkeypatch.setattr(fetcher_module, "PAGES_AHEAD", 3)
    enough = threading.Event()

    def count(_: str) -> None:
        if stripe.reads == 4:
            enough.set()

    stripe.fail = count
    with a_fetcher(stripe) as fetcher:
        pages = fetcher.list_pages([TimeRange(NOW - timedelta(days=2), None)])
        assert len(next(pages).answers) == 100
        assert enough.wait(10)
    assert stripe.reads <= 5


def test_an_error_of_a_later_page_is_raised(stripe: PlainStripe) -> None:
    """This holds also if a cursor was reading ahead."""

    def fail(after: str) -> None:
        if after == "pi_0299":
            raise StripeRefusedError("no.", "Give it a key.")

    stripe.fail = fail
    with a_fetcher(stripe) as fetcher, pytest.raises(StripeRefusedError):
        list(fetcher.list_pages([TimeRange(NOW - timedelta(days=2), None)]))
