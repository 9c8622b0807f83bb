from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.sandbox import Faults, PaymentKind, Sandbox, make
from reconciler.sandbox.faults.seeded_chance import SeededChance
from reconciler.sandbox.objects.ids import Ids
from reconciler.sandbox.state.keys import masked

START = datetime(2026, 3, 1, tzinfo=UTC)


def one_run(seed: int) -> tuple[list[str], list[str], list[bool]]:
    """The ids, what the merchant received, and what it dropped, in one run."""
    faults = Faults(
        seed=seed,
        webhooks_lost=0.3,
        webhooks_reordered=0.2,
        dropped_after_200=0.2,
        events_never_generated=0.1,
    )
    sandbox = Sandbox(ManualClock(START), seed=seed, faults=faults)
    received: list[str] = []

    def receive(payload: bytes, _headers: object) -> int:
        received.append(payload[:40].decode())
        return 200

    sandbox.register_webhook(receive)
    for _ in range(40):
        make(sandbox, PaymentKind.SUCCEEDED, 100)
    sandbox.deliver_due()
    drops = [faults.drops_after_200(event.id) for event in sandbox.events()]
    return [intent.id for intent in sandbox.intents()], received, drops


def test_a_seed_repeats_a_run() -> None:
    """The same seed gives the same ids, losses and order; another seed gives others."""
    assert one_run(1) == one_run(1)
    assert one_run(1) != one_run(2)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_shares_are_kept(share: float) -> None:
    """About as many are chosen as the share says: none at 0, all at 1."""
    hits = sum(SeededChance(7).hit(share, "lost", f"evt_{n}") for n in range(2000))
    assert hits == pytest.approx(2000 * share, abs=80 if 0 < share < 1 else 0)


def test_choices_do_not_depend_on_order() -> None:
    """A choice does not depend on earlier choices."""
    forth = [SeededChance(3).hit(0.5, n) for n in range(50)]
    back = [SeededChance(3).hit(0.5, n) for n in reversed(range(50))]
    assert forth == back[::-1]


def test_ids_never_repeat() -> None:
    """Each id is new and has its prefix."""
    ids = Ids(1)
    made = [ids.new("pi") for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(ident.startswith("pi_") for ident in made)


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("sk_live_abcdefgh", "sk_live_****efgh"),
        ("rk_test_abc", "rk_test_***"),
        ("nonsense", "****ense"),
        ("", ""),
    ],
)
def test_masked(secret: str, shown: str) -> None:
    """A key is shown by its prefix and its last four letters only."""
    assert masked(secret) == shown


def test_backdated_payments() -> None:
    """A payment can be created and changed in the past; its events are in the past too, in order."""
    sandbox = Sandbox(ManualClock(START))
    make(sandbox, PaymentKind.SUCCEEDED, 100)
    old = make(sandbox, PaymentKind.SUCCEEDED, 100, at=START - timedelta(days=3))
    assert next(iter(sandbox.intents())) == old
    assert [event.created for event in sandbox.events(old.id)] == [
        old.created,
        old.created + 2,
        old.created + 2,
    ]
