"""No due row is missed, whatever Stripe's side looks like."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.planning.histogram import Histogram, ListingModel, join_buckets
from reconciler.domain.planning.plan import List, Plan, Retrieve
from reconciler.domain.planning.planner import plan
from tests.unit.domain.planning_worlds import (
    START,
    World,
    budget,
    counted,
    execute,
    world,
)

WIDTH = timedelta(minutes=15)
HOUR = timedelta(hours=1)
sizes = st.lists(
    st.integers(0, 150).flatmap(lambda rows: st.tuples(st.just(rows), st.integers(0, rows))),
    min_size=1,
    max_size=8,
)
seeds = st.integers(0, 2**32)
offsets = st.timedeltas(-6 * HOUR, 6 * HOUR)
spreads = st.sampled_from([timedelta(0), timedelta(seconds=3), timedelta(minutes=7), 2 * HOUR])


@st.composite
def learnt_truly(draw: st.DrawFn) -> ListingModel:
    """Times that are off by hours, and up to ten intents a row."""
    earliest = draw(offsets)
    ratio = draw(st.sampled_from([1.0, 1.3, 4.0, 10.0]))
    return ListingModel(
        ratio, earliest, earliest + draw(spreads), draw(st.sampled_from([0.0, 0.1]))
    )


def made_with(truth: ListingModel, counts: list[tuple[int, int]], seed: int) -> World:
    strangers = round((truth.ratio - 1) * sum(rows for rows, _ in counts))
    return world(seed, counts, WIDTH, truth, strangers)


@settings(max_examples=150, deadline=None)
@given(sizes, learnt_truly(), seeds, st.booleans())
def test_every_due_row_is_asked_about(
    counts: list[tuple[int, int]], listing_model: ListingModel, seed: int, may_switch: bool
) -> None:
    """With hours between the clocks and ten intents a row: what a stretch is to show it shows, or it is retrieved."""
    made = made_with(listing_model, counts, seed)
    chosen = plan(counted(made, WIDTH, len(counts)), listing_model, budget())
    done = execute(chosen, made, may_switch=may_switch)
    assert done.asked >= made.due
    assert may_switch or not done.unmet


@settings(max_examples=100, deadline=None)
@given(sizes, learnt_truly(), learnt_truly(), seeds)
def test_a_wrong_picture_costs_reads_and_misses_nothing(
    counts: list[tuple[int, int]], truth: ListingModel, believed: ListingModel, seed: int
) -> None:
    """Where the past taught something else than what is, rows that the lists do not show are retrieved."""
    made = made_with(truth, counts, seed)
    chosen = plan(counted(made, WIDTH, len(counts)), believed, budget())
    done = execute(chosen, made, may_switch=True)
    assert done.asked >= made.due
    lists = [step for step in chosen.steps if isinstance(step, List)]
    most = sum(1.5 * step.expected_reads + 1 + 2 * step.due for step in lists)
    assert done.reads <= len(made.due) + most


@settings(max_examples=100, deadline=None)
@given(sizes, offsets, seeds)
def test_clocks_that_differ_by_hours_cost_nothing(
    counts: list[tuple[int, int]], off: timedelta, seed: int
) -> None:
    """A constant difference shifts what is listed; it does not widen it."""
    off = timedelta(seconds=int(off.total_seconds()))
    listing_model = ListingModel(earliest=off, latest=off)
    made = made_with(listing_model, counts, seed)
    histogram = counted(made, WIDTH, len(counts))
    shifted = plan(histogram, listing_model, budget())
    assert execute(shifted, made).asked >= made.due
    for step in shifted.steps:
        if isinstance(step, List) and step.rows.since and step.rows.until:
            assert step.created.since == step.rows.since + off
            assert step.created.until == step.rows.until + off


def covered(steps: Plan, made: World) -> tuple[set[int], set[int]]:
    """The due rows in the plan's steps, and those left out."""

    def of(all_steps: tuple[List | Retrieve, ...]) -> set[int]:
        return {n for step in all_steps if step.rows is not None for n in made.due_in(step.rows)}

    return of(steps.steps), of(steps.left_out)


@settings(max_examples=150, deadline=None)
@given(sizes, st.integers(-1, 300), st.integers(0, 5), seeds)
def test_what_the_reads_do_not_pay_for_is_left_out_by_name(
    counts: list[tuple[int, int]], allowed: int, undated: int, seed: int
) -> None:
    """Every due row is in a step or in what is left out and never in both, and the steps cost what is allowed."""
    made = world(seed, counts, WIDTH)
    histogram = Histogram(counted(made, WIDTH, len(counts)).buckets, undated)
    chosen = plan(histogram, ListingModel(), budget(allowed))
    inside, outside = covered(chosen, made)
    assert inside | outside == made.due
    assert not inside & outside
    assert execute(chosen, made).reads <= chosen.reads <= max(0, allowed)
    assert sum(step.due for step in (*chosen.steps, *chosen.left_out)) == histogram.due
    unlimited = plan(histogram, ListingModel(), budget())
    assert unlimited.is_complete
    if allowed >= unlimited.reads:
        assert chosen.is_complete


@settings(max_examples=150, deadline=None)
@given(sizes, seeds, st.sampled_from([1.0, 10.0]))
def test_joined_buckets_lose_no_row(counts: list[tuple[int, int]], seed: int, ratio: float) -> None:
    """Joining keeps the counts, the order and the ends, and never leaves more than two buckets a due row."""
    made = world(seed, counts, WIDTH)
    fine = counted(made, timedelta(seconds=30), 30 * len(counts)).buckets
    coarse = Histogram(tuple(join_buckets(fine, ratio))).buckets
    due = sum(bucket.due for bucket in fine)
    assert sum(bucket.rows for bucket in coarse) == len(made.rows)
    assert sum(bucket.due for bucket in coarse) == due
    assert len(coarse) <= min(len(fine), 2 * due + 1)
    if fine:
        assert (coarse[0].start, coarse[-1].end) == (fine[0].start, fine[-1].end)
        assert coarse[0].start >= START
    assert {bucket.start for bucket in coarse} <= {bucket.start for bucket in fine}
