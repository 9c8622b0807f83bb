"""The customers of the demonstration."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import chain, combinations

import pytest

from reconciler.demo.configuration import READ
from reconciler.demo.merchant import STATUS_OF, Luck, Merchant, WebhookFate
from reconciler.demo.oracle import true_status
from reconciler.demo.scenario import LATEST, STORIES, CustomerAction, Story, live
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision_table import TABLE, Cell
from tests.unit.demo.staging import PRESENT, make_stage

HEARD = {
    CustomerAction.ASK: "pending",
    CustomerAction.DECLINE: "failed",
    CustomerAction.GIVE_UP: "failed",
    CustomerAction.LAPSE: "failed",
    CustomerAction.BOUNCE: "failed",
    CustomerAction.START: "processing",
    CustomerAction.HOLD: "authorized",
    CustomerAction.PAY: "paid",
    CustomerAction.CAPTURE: "paid",
    CustomerAction.CANCEL: "canceled",
    CustomerAction.EXPIRE: "canceled",
    CustomerAction.REFUND: "refunded",
    CustomerAction.DISPUTE: "disputed",
}
NEVER_LOST = (CustomerAction.REFUND, CustomerAction.DISPUTE)


def _left_in_the_table(story: Story) -> set[str]:
    """Every status that a row may have at last, whichever of the story's webhooks were lost."""
    deeds = [action for action, _ in story.deeds]
    may_be_lost = [place for place, action in enumerate(deeds) if action not in NEVER_LOST]
    every_loss = chain.from_iterable(
        combinations(may_be_lost, count) for count in range(len(may_be_lost) + 1)
    )
    return {
        (["pending"] + [HEARD[action] for place, action in enumerate(deeds) if place not in lost])[
            -1
        ]
        for lost in every_loss
    }


@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.method}-{story.end}")
def test_whichever_webhooks_are_lost_the_row_is_right_or_can_be_corrected(story: Story) -> None:
    """No discrepancy of another kind than the missed outcome comes about by chance."""
    if story.end in {"refunded", "disputed"}:
        assert _left_in_the_table(story) == {story.end}
        return
    for status in _left_in_the_table(story):
        cell = TABLE[READ[status], READ[story.end]]
        assert cell is (Cell.KEEP if status == story.end else Cell.CORRECT)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.method}-{story.end}")
def test_every_story_fits_before_the_present(story: Story) -> None:
    """It can have ended long enough ago for every try to deliver its webhooks, and begun in the last three weeks."""
    assert story.lasts + LATEST <= story.oldest <= timedelta(days=21)


def test_the_stories_come_to_every_outcome() -> None:
    """Each outcome that a row can have is some customer's end."""
    assert {READ[story.end] for story in STORIES} == set(Outcome) - {Outcome.UNKNOWN}


@pytest.mark.parametrize("seed", range(12))
def test_what_the_script_says_of_each_customer_is_what_stripe_remembers(seed: int) -> None:
    """The right end in the script is the truth of the sandbox, and time ends at the present."""
    world = make_stage(seed)
    luck = Luck(seed, 0.4)
    live(world, Merchant(world.shop, world.clock, luck), luck, 150)
    said = {key: world.expected.ends[key].status for key in world.expected.stories}
    assert said == {
        key: true_status(world.sandbox, intent) for key, intent in world.expected.stories.items()
    }
    assert world.clock.now() == PRESENT
    assert len(said) == world.expected.payments == 150


@pytest.mark.parametrize("seed", range(6))
def test_without_losses_every_row_ends_right(seed: int) -> None:
    """Late webhooks and those that come in another order do no harm to a careful shop."""
    world = make_stage(seed)
    luck = Luck(seed, 0.0, late=0.5)
    merchant = Merchant(world.shop, world.clock, luck)
    endpoint = world.sandbox.register_webhook(merchant.receive, enabled_events=tuple(STATUS_OF))
    merchant.secret = endpoint.secret
    live(world, merchant, luck, 120)
    assert merchant.lost == 0
    assert WebhookFate.LATE in merchant.fates.values()
    wrong = [
        row for key, row in world.shop.rows.items() if row.status != world.expected.ends[key].status
    ]
    assert wrong == []


def test_the_same_seed_makes_the_same_history() -> None:
    """A demonstration can be repeated: intents, rows and lost webhooks alike."""

    def history() -> tuple[object, ...]:
        world = make_stage(7)
        luck = Luck(7, 0.3)
        merchant = Merchant(world.shop, world.clock, luck)
        endpoint = world.sandbox.register_webhook(merchant.receive, enabled_events=tuple(STATUS_OF))
        merchant.secret = endpoint.secret
        live(world, merchant, luck, 60)
        return list(world.sandbox.intents()), world.shop.rows, merchant.fates

    assert history() == history()


def test_the_share_of_lost_webhooks_is_the_one_asked_for() -> None:
    """Whichever way they are lost, together they make the share; all three ways happen."""
    world = make_stage(3)
    luck = Luck(3, 0.3)
    merchant = Merchant(world.shop, world.clock, luck)
    endpoint = world.sandbox.register_webhook(merchant.receive, enabled_events=tuple(STATUS_OF))
    merchant.secret = endpoint.secret
    live(world, merchant, luck, 1500)
    fates = Counter(merchant.fates.values())
    assert 0.26 < merchant.lost / fates.total() < 0.34
    assert all(fates[fate] > 20 for fate in WebhookFate)
