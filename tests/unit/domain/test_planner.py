"""What a plan says about its cost, when a list is given up, and how buckets are chosen."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import (
    BUCKET_INTENTS,
    MOST_GROUPS,
    WIDTHS,
    Bucket,
    Histogram,
    ListingModel,
    bucket_width,
)
from reconciler.domain.planning.plan import Budget, List, RequestRates, Retrieve, is_overrun
from reconciler.domain.planning.planner import plan
from tests.unit.domain.planning_worlds import LIMIT, RATES, START, budget

HOUR = timedelta(hours=1)


def buckets(*counts: tuple[int, int]) -> tuple[Bucket, ...]:
    return tuple(
        Bucket(START + number * HOUR, START + (number + 1) * HOUR, *pair)
        for number, pair in enumerate(counts)
    )


def listing(reads: int, due: int = 100) -> List:
    return List(TimeRange(START), TimeRange(START), reads, 100 * reads, due)


def test_a_plan_tells_its_reads_its_time_and_its_share() -> None:
    """Lists and retrieves run side by side, each at its lane's pace; the share is of Stripe's 30-day allowance."""
    made = plan(
        Histogram(buckets((1000, 400), (5000, 0), (5000, 0), (5000, 25)), undated=5),
        ListingModel(),
        Budget(RATES, LIMIT, quota=10_000),
    )
    assert [type(step) for step in made.steps] == [List, Retrieve, Retrieve]
    assert made.reads == 10 + 25 + 5
    assert made.reads_one_by_one == 430
    assert made.seconds == pytest.approx(30 / 12.5)
    assert made.seconds_at_limit == pytest.approx(30 / 25)
    assert made.quota_share == pytest.approx(0.004)


def test_the_overall_lane_and_a_slow_answer_bound_the_time() -> None:
    """No faster than all endpoints together allow, nor than one cursor reads its pages one after another."""
    histogram = Histogram(buckets((1000, 1000)))
    narrow = RequestRates(list=25, retrieve=25, everything=2)
    assert plan(histogram, ListingModel(), Budget(narrow, LIMIT, 1000)).seconds == pytest.approx(5)
    slow = Budget(RATES, LIMIT, 1000, read_seconds=0.5)
    assert plan(histogram, ListingModel(), slow).seconds == pytest.approx(5)
    assert plan(histogram, ListingModel(), slow).seconds_at_limit == pytest.approx(5)


def test_nothing_due_costs_nothing() -> None:
    """A table in which nothing waits is not asked about."""
    for histogram in (Histogram(()), Histogram(buckets((500, 0), (0, 0)))):
        made = plan(histogram, ListingModel(), budget())
        assert (made.steps, made.left_out, made.reads, made.seconds) == ((), (), 0, 0)


def test_a_stretch_is_widened_by_the_skew_and_not_at_its_cuts() -> None:
    """The list reaches as far around its rows as their intents may be, and its cursors touch without overlap."""
    listing_model = ListingModel(earliest=timedelta(seconds=-90), latest=timedelta(seconds=30))
    made = plan(Histogram(buckets((4000, 4000))), listing_model, budget())
    lists = [step.created for step in made.steps if isinstance(step, List)]
    assert len(lists) == 5
    assert lists[0].until == START + HOUR + timedelta(seconds=30)
    assert lists[-1].since == START - timedelta(seconds=90)
    assert all(one.since == other.until for one, other in pairwise(lists))
    assert [step.expected_intents for step in made.steps if isinstance(step, List)] == [
        pytest.approx(800, abs=2)
    ] * 5


def test_one_second_is_not_cut() -> None:
    """Stripe counts in whole seconds: what was created in one of them is one cursor's, however much it is."""
    crowded = Histogram((Bucket(START, START + timedelta(seconds=1), 5000, 5000),))
    assert [step.expected_reads for step in plan(crowded, ListingModel(), budget()).steps] == [50]


def test_rows_that_lists_do_not_show_are_in_the_price() -> None:
    """A share of rows that had to be retrieved after all in the past is expected again; all of them: no list helps."""
    histogram = Histogram(buckets((1000, 1000)))
    made = plan(histogram, ListingModel(unmet=0.1), budget())
    assert (made.reads, made.unmet) == (110, 100)
    alone = plan(histogram, ListingModel(unmet=1.0), budget())
    assert [type(step) for step in alone.steps] == [Retrieve]


def test_ten_intents_a_row_make_a_list_dear() -> None:
    """The ratio decides: forty of a hundred due are listed where each row has an intent, not where it has fifty."""
    histogram = Histogram(buckets((100, 40)))
    assert plan(histogram, ListingModel(ratio=10.0), budget()).reads == 10
    assert plan(histogram, ListingModel(ratio=50.0), budget()).reads == 40
    assert plan(histogram, ListingModel(ratio=0.01), budget()).reads == 1


def test_short_reads_go_where_they_cover_most_then_to_the_newest() -> None:
    """With six reads: the page of a hundred rows first, then the newest single rows; the older ones are left out."""
    made = plan(
        Histogram(buckets((900, 4), (900, 3), (100, 100), (900, 2), (900, 2))),
        ListingModel(),
        budget(6),
    )
    assert [step.due for step in made.steps] == [100, 4]
    assert [step.due for step in made.left_out] == [7]
    assert made.reads == 5
    assert made.reads_one_by_one == 111


def test_a_stretch_too_long_for_the_reads_is_cut_at_a_bucket() -> None:
    """Its newer end is kept; rows without a time that no read is left for are left out by name."""
    made = plan(Histogram(buckets(*[(100, 100)] * 8), undated=2), ListingModel(), budget(5))
    (kept,) = made.steps
    assert isinstance(kept, List)
    assert (kept.rows.since, kept.expected_reads) == (START + 3 * HOUR, 5)
    assert [step.due for step in made.left_out] == [300, 2]


def test_the_best_part_of_a_stretch_is_kept() -> None:
    """Four reads list both buckets; with three the one in which they show the most is kept, newer or not."""
    made = plan(Histogram(buckets((100, 100), (290, 4))), ListingModel(), budget(3))
    assert [(step.due, step.expected_reads) for step in made.steps] == [(100, 1)]
    assert [step.due for step in made.left_out] == [4]


def test_a_part_that_shows_little_is_retrieved() -> None:
    """Where a page of what fits would show but one due row, that row is asked for by itself."""
    whole = Histogram(buckets((80, 1), (320, 100)))
    assert [type(step) for step in plan(whole, ListingModel(), budget(4)).steps] == [List]
    made = plan(whole, ListingModel(), budget(3))
    assert [type(step) for step in made.steps] == [Retrieve]
    assert [(type(step), step.due) for step in made.left_out] == [(List, 100)]


@pytest.mark.parametrize(
    ("reads", "unmet", "ends"),
    [
        (14, None, False),  # within one and a half times its ten reads
        (15, None, True),
        (15, 100, True),  # it has shown nothing of what it was to show
        (15, 90, True),  # at this pace 135 pages are to come for 90 rows
        (15, 10, False),  # two pages are to come for ten rows
        (15, 0, True),  # nothing is left to be met
    ],
)
def test_a_list_far_over_its_plan_ends(reads: int, unmet: int | None, ends: bool) -> None:
    """From one and a half times its reads on, unless the pages to come are the cheaper way to the rows not met."""
    assert is_overrun(listing(10), reads, unmet) is ends


def test_a_page_alone_may_take_one_more() -> None:
    """A list of one page that turns out to have two is read to its end; retrieves never is_overrun."""
    assert not is_overrun(listing(1), 1)
    assert is_overrun(listing(1), 2)
    assert not is_overrun(Retrieve(TimeRange(START), 3), 10)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Histogram((Bucket(START, START, 1, 1),)),
        lambda: Histogram((Bucket(START, START + HOUR, 1, 2),)),
        lambda: Histogram((Bucket(START, START + HOUR, 1, -1),)),
        lambda: Histogram(buckets((1, 1), (1, 1))[::-1]),
        lambda: Histogram(
            (Bucket(START, START + 2 * HOUR, 1, 1), Bucket(START + HOUR, START + 3 * HOUR, 1, 1))
        ),
        lambda: ListingModel(ratio=0),
        lambda: ListingModel(ratio=float("nan")),
        lambda: ListingModel(earliest=HOUR),
        lambda: ListingModel(unmet=1.1),
    ],
)
def test_counts_that_cannot_be_are_refused(wrong: object) -> None:
    """A plan over nonsense would miss rows: say so instead."""
    assert callable(wrong)
    with pytest.raises(ValueError, match=r"bucket|earliest"):
        wrong()


@given(st.timedeltas(timedelta(0), timedelta(days=5000)), st.integers(0, 10**8), st.floats(0.1, 50))
def test_the_width_is_the_widest_good_one(span: timedelta, rows: int, ratio: float) -> None:
    """An average bucket holds a few intents, unless that makes too many buckets; the next wider one would hold more."""
    width = bucket_width(span, rows, ratio)
    filling = width.total_seconds() * rows * max(1.0, ratio) / max(1.0, span.total_seconds())
    assert width in WIDTHS
    assert span / width <= MOST_GROUPS
    narrower = WIDTHS[max(0, WIDTHS.index(width) - 1)]
    assert filling <= BUCKET_INTENTS or narrower == width or span / narrower > MOST_GROUPS
    if width is not WIDTHS[-1]:
        wider = WIDTHS[WIDTHS.index(width) + 1]
        assert wider.total_seconds() / width.total_seconds() * filling > BUCKET_INTENTS


@pytest.mark.parametrize(
    ("rows", "width"),
    [(20, 72 * HOUR), (2_800, HOUR), (170_000, HOUR / 60), (1_000_000, HOUR / 240)],
)
def test_widths_of_thirty_days(rows: int, width: timedelta) -> None:
    """The figures that the advice names."""
    assert bucket_width(timedelta(days=30), rows) == width
