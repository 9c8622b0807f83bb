"""What a person sees of the read quota, which is the number of reads in 30 days."""

from __future__ import annotations

from tests.acceptance.cli.conftest import Town


def test_the_tail_interval_follows_from_the_read_quota(town: Town) -> None:
    """A small shop has 10,000 reads; budget.share gives Reconciler half, the tail half of these: every 17 minutes."""
    (found,) = town.run("status", "--json").json
    assert (found["reads_30_days_limit"], found["tail_every_seconds"]) == (5000, 1036.8)
    assert "every 17 min" in town.run("status").out


def test_a_plan_shows_what_it_leaves_out(town: Town) -> None:
    """If few reads are left, text and JSON name the steps that are left out, and their counts agree."""
    for number in range(1, 31):
        town.pay(number)
    few = {"RECONCILER_BUDGET__READS_PER_30_DAYS": "4", "RECONCILER_BUDGET__SHARE": "1"}
    said = town.run("plan", "--kind", "due", "--json", **few).json
    assert (said["payments"], said["left_out_payments"]) == (30, 30)
    assert said["left_out"] == len(said["left_out_steps"]) >= 1
    assert {"source", "act", "since", "until", "reads", "intents", "payments"} == set(
        said["left_out_steps"][0]
    )
    text = town.run("plan", "--kind", "due", **few).out
    assert "30 payments would not be examined" in text
    swept = town.run("sweep", "--kind", "due", "--json", **few)
    assert swept.code == 75
