"""No due row is missed, however much Stripe's side differs from what was expected."""

from __future__ import annotations

import random
from datetime import timedelta

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
from tests.unit.domain.seeds import seeds

WIDTH = timedelta(minutes=15)
SIX_HOURS = 6 * 3600
SPREADS = [timedelta(0), timedelta(seconds=3), timedelta(minutes=7), timedelta(hours=2)]


def random_counts(chance: random.Random) -> list[tuple[int, int]]:
    """Up to eight buckets: rows and due rows."""
    sizes = [chance.choice([0, chance.randint(0, 150)]) for _ in range(chance.randint(1, 8))]
    return [(rows, chance.choice([0, rows, chance.randint(0, rows)])) for rows in sizes]


def random_model(chance: random.Random) -> ListingModel:
    """Clocks that differ by hours, and up to ten intents for each row."""
    earliest = timedelta(seconds=chance.uniform(-SIX_HOURS, SIX_HOURS))
    return ListingModel(
        ratio=chance.choice([1.0, 1.3, 4.0, 10.0]),
        earliest=earliest,
        latest=earliest + chance.choice(SPREADS),
        unmet=chance.choice([0.0, 0.1]),
    )


def world_of(model: ListingModel, counts: list[tuple[int, int]], seed: int) -> World:
    strangers = round((model.ratio - 1) * sum(rows for rows, _ in counts))
    return world(seed, counts, WIDTH, model, strangers)


@seeds(few=100, many=2000)
def test_every_due_row_is_read(numbers: range) -> None:
    """A list shows the rows that it is to show, or they are retrieved; also if it is ended because it is overrun."""
    for seed in numbers:
        chance = random.Random(seed)
        counts, model = random_counts(chance), random_model(chance)
        made = world_of(model, counts, seed)
        chosen = plan(counted(made, WIDTH, len(counts)), model, budget())

        done = execute(chosen, made, may_switch=False)
        assert done.asked >= made.due, seed
        assert not done.unmet, seed
        assert execute(chosen, made, may_switch=True).asked >= made.due, seed


@seeds(few=100, many=1500)
def test_wrong_expectations_cost_reads_and_miss_nothing(numbers: range) -> None:
    """If past sweeps showed other times and ratios, the rows that the lists do not show are retrieved."""
    for seed in numbers:
        chance = random.Random(seed)
        counts, truth, expected = random_counts(chance), random_model(chance), random_model(chance)
        made = world_of(truth, counts, seed)
        chosen = plan(counted(made, WIDTH, len(counts)), expected, budget())
        done = execute(chosen, made, may_switch=True)
        assert done.asked >= made.due, seed
        lists = [step for step in chosen.steps if isinstance(step, List)]
        most = sum(1.5 * step.expected_reads + 1 + 2 * step.due for step in lists)
        assert done.reads <= len(made.due) + most, seed


@seeds(few=100, many=1500)
def test_a_constant_difference_of_the_clocks_costs_nothing(numbers: range) -> None:
    """It shifts what is listed and does not widen it."""
    for seed in numbers:
        chance = random.Random(seed)
        counts = random_counts(chance)
        off = timedelta(seconds=chance.randint(-SIX_HOURS, SIX_HOURS))
        model = ListingModel(earliest=off, latest=off)
        made = world_of(model, counts, seed)
        shifted = plan(counted(made, WIDTH, len(counts)), model, budget())
        assert execute(shifted, made).asked >= made.due, seed
        for step in shifted.steps:
            if isinstance(step, List) and step.rows.since and step.rows.until:
                assert step.created.since == step.rows.since + off, seed
                assert step.created.until == step.rows.until + off, seed


def covered(chosen: Plan, made: World) -> tuple[set[int], set[int]]:
    """The numbers of the due rows in the steps of a plan, and of those left out."""

    def of(steps: tuple[List | Retrieve, ...]) -> set[int]:
        return {n for step in steps if step.rows is not None for n in made.due_in(step.rows)}

    return of(chosen.steps), of(chosen.left_out)


@seeds(few=100, many=3000)
def test_what_the_reads_left_do_not_pay_for_is_in_left_out(numbers: range) -> None:
    """Every due row is in a step or in what is left out, never in both, and the steps cost what is allowed."""
    for seed in numbers:
        chance = random.Random(seed)
        counts, undated = random_counts(chance), chance.randint(0, 5)
        made = world(seed, counts, WIDTH)
        histogram = Histogram(counted(made, WIDTH, len(counts)).buckets, undated)
        unlimited = plan(histogram, ListingModel(), budget())
        assert unlimited.is_complete, seed

        allowed = chance.randint(-1, unlimited.reads + 2)
        chosen = plan(histogram, ListingModel(), budget(allowed))
        inside, outside = covered(chosen, made)
        assert inside | outside == made.due, seed
        assert not inside & outside, seed
        assert execute(chosen, made).reads <= chosen.reads <= max(0, allowed), seed
        assert sum(step.due for step in (*chosen.steps, *chosen.left_out)) == histogram.due, seed
        if allowed >= unlimited.reads:
            assert chosen.is_complete, seed


@seeds(few=60, many=2000)
def test_joined_buckets_lose_no_row(numbers: range) -> None:
    """Joining keeps the counts, the order and the ends, and leaves at most two buckets for each due row."""
    for seed in numbers:
        chance = random.Random(seed)
        counts, ratio = random_counts(chance), chance.choice([1.0, 10.0])
        made = world(seed, counts, WIDTH)
        fine = counted(made, timedelta(seconds=30), 30 * len(counts)).buckets
        joined = Histogram(tuple(join_buckets(fine, ratio))).buckets
        due = sum(bucket.due for bucket in fine)
        assert sum(bucket.rows for bucket in joined) == len(made.rows), seed
        assert sum(bucket.due for bucket in joined) == due, seed
        assert len(joined) <= min(len(fine), 2 * due + 1), seed
        assert {bucket.start for bucket in joined} <= {bucket.start for bucket in fine}, seed
        if fine:
            assert (joined[0].start, joined[-1].end) == (fine[0].start, fine[-1].end), seed
            assert joined[0].start >= START, seed
