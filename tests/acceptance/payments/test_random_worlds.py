"""No world of orders, rows, PaymentIntents and late webhooks makes a sweep write what is not so."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.oracle import Oracle, Watched, Write
from tests.acceptance.payments.shop import LINKED, TABLE, PaymentShop, json_text
from tests.acceptance.payments.stripe_objects import MINUTE, event
from tests.acceptance.payments.stripe_server import StripeServer
from tests.acceptance.payments.worlds import (
    OF_STATUS,
    Happening,
    Sweep,
    TrueIntent,
    TrueRow,
    World,
    serve,
    world,
)
from tests.conftest import Server

_numbers = itertools.count(1)
WORLDS = 5
Written = Counter[str]
"""How many writes there were: any, of rows that a happening touched, links and relinks."""
RunWorld = Callable[[World], Written]


class Life:
    """A world in a shop: its steps are carried out one after another, and the oracle judges each sweep."""

    def __init__(self, world: World, shop: PaymentShop, stripe: ExactStripe) -> None:
        self.world = world
        self.shop = shop
        self.stripe = stripe
        self.oracle = Oracle(world)
        self.intents: dict[str, TrueIntent] = {one.ident: one for one in world.intents}
        self.watched = Watched({}, {})
        self.written = Written()
        self._sent = 0
        serve(stripe, world.intents)
        for row in world.rows:
            shop.row(row.key, row.intent, row.status, row.amount, row.currency, order=row.order)

    def live(self) -> None:
        """Carry out every step, and ask in the end whether money was passed over in silence."""
        for step in self.world.steps:
            if isinstance(step, Sweep):
                self.sweep(step)
            else:
                self.happen(step)
            # what changed is older than the grace before the next step
            self.stripe.offset += 5 * MINUTE
        said = json_text(self.shop.open())
        self.oracle.judge_silence(self.intents, self.rows(), said)
        self.shop.assert_sound()

    def sweep(self, step: Sweep) -> None:
        self.watched = Watched(self.rows(), dict(self.intents))
        self.oracle.know(frozenset(self._without_row()))
        for happening in step.meanwhile:
            self.stripe.before(happening.path or "/", lambda one=happening: self.happen(one))
        answer = self.shop.run("sweep", "--json", "--apply", "--kind", step.kind)
        assert answer.code == 0, (answer.out, answer.err)
        self.stripe.forget_actions()
        assert self.stripe.failures == []
        writes = self._writes()
        self.oracle.judge(self.watched, self.rows(), writes)
        self._count(writes)

    def _count(self, writes: list[Write]) -> None:
        for write in writes:
            before = self.watched.row_versions(write.key)[0]
            self.written["any"] += 1
            self.written["touched"] += write.key in self.watched.touched
            self.written["linked"] += before.intent is None
            self.written["relinked"] += before.intent not in (None, write.intent)

    def rows(self) -> dict[int, TrueRow]:
        """The table as it stands."""
        found = self.shop.ask("SELECT id, intent, status, amount, currency, order_id FROM payments")
        return {row[0]: TrueRow(*row) for row in found}

    def _writes(self) -> list[Write]:
        found = self.shop.ask(
            "SELECT payment_key::int, payment_intent, from_status, to_status FROM reconciler.outbox"
            f" WHERE id > {self._sent} ORDER BY id"
        )
        ((self._sent,),) = self.shop.ask("SELECT coalesce(max(id), 0) FROM reconciler.outbox")
        return [Write(*row) for row in found]

    def _without_row(self) -> list[str]:
        found = self.shop.ask(
            "SELECT payment_intent FROM reconciler.discrepancies"
            " WHERE kind = 'missing_locally' AND state = 'open'"
        )
        return [ident for (ident,) in found]

    def happen(self, happening: Happening) -> None:
        """The merchant's webhook handler, the customer, or the bank does something."""
        with psycopg.connect(self.shop.url) as connection:
            connection.execute("SET lock_timeout = '1s'")
            try:
                self._happen(happening, connection)
            except psycopg.errors.LockNotAvailable:
                connection.rollback()

    def _happen(self, happening: Happening, connection: psycopg.Connection) -> None:
        order = f"o-{happening.order}"
        rows = [row for row in self.rows().values() if row.order == order]
        mine = [
            one for one in self.intents.values() if one.ident.startswith(f"pi_{happening.order}x")
        ]
        held = {row.intent for row in self.rows().values()}
        free = [one for one in mine if one.ident not in held]
        match happening.what:
            case "webhook" if rows and rows[0].intent in self.intents:
                status = OF_STATUS[self.intents[rows[0].intent or ""].outcome]
                self._write(connection, replace(rows[0], status=status))
            case "late" if rows and rows[0].status == "pending":
                self._write(connection, replace(rows[0], status="failed"))
            case "pays":
                unpaid = [one for one in mine if one.outcome in ("incomplete", "failed")]
                if unpaid:
                    newest = min(unpaid, key=lambda one: one.hours)
                    self._change(replace(newest, status="succeeded", released=0, back=0))
            case "refund":
                paid = [one for one in mine if one.received > 0]
                if paid:
                    self._change(replace(paid[0], back=paid[0].received))
            case "taken" if free:
                key = 10 * happening.order + 5 + len(rows)
                status = OF_STATUS[free[0].outcome]
                made = TrueRow(key, free[0].ident, status, free[0].amount, free[0].currency, order)
                connection.execute(
                    "INSERT INTO payments (id, intent, status, amount, currency, created_at, order_id)"
                    " VALUES (%s, %s, %s, %s, %s, now() - interval '1 day', %s)",
                    (key, made.intent, made.status, made.amount, made.currency, made.order),
                )
                self.watched.touched.setdefault(key, []).append(made)
            case "repointed" if free and rows:
                status = OF_STATUS[free[0].outcome]
                self._write(connection, replace(rows[0], intent=free[0].ident, status=status))
            case _:
                return

    def _write(self, connection: psycopg.Connection, row: TrueRow) -> None:
        connection.execute(
            "UPDATE payments SET status = %s, intent = %s WHERE id = %s",
            (row.status, row.intent, row.key),
        )
        self.watched.touched.setdefault(row.key, []).append(row)

    def _change(self, intent: TrueIntent) -> None:
        before = self.intents[intent.ident]
        self.intents[intent.ident] = intent
        self.watched.changed.setdefault(intent.ident, []).append(intent)
        serve(self.stripe, [intent])
        if intent.status == "succeeded" != before.status:
            # Stripe tells of a payment by an event, which exists as soon as the payment does
            paid = next(one for one in intent.objects() if one["object"] == "payment_intent")
            self.stripe.serve(
                event("payment_intent.succeeded", paid, age=-self.stripe.offset, pending=1)
            )


@pytest.fixture
def run_world(
    stripe_server: StripeServer,
    server: Server,
    migrated_template: str,
    short_retry_waits: None,
    original_logging: None,
    tmp_path: Path,
) -> RunWorld:
    """Live through a world in a database of its own; what the sweeps wrote in it."""

    def live(world: World) -> Written:
        name = f"world_{next(_numbers)}"
        url = server.create(name, migrated_template)
        try:
            stripe = stripe_server.new_stripe()
            shop = PaymentShop(url, stripe, tmp_path, LINKED if world.linked else {})
            if world.relink:
                shop.configure(corrections={"relink": True})
            shop.execute(TABLE)
            life = Life(world, shop, stripe)
            life.live()
        except Exception as error:
            error.add_note(repr(world))
            raise
        finally:
            server.drop(name)
        return life.written

    return live


def run_worlds(run_world: RunWorld, made: Iterable[World]) -> Written:
    """Live through worlds; what was written in all of them."""
    return sum((run_world(one) for one in made), Written())


def test_no_sweep_writes_what_is_not_so(run_world: RunWorld) -> None:
    """No release over money, no payment without it, no settled row changed, and no money passed over in silence."""
    written = run_worlds(run_world, (world(seed) for seed in range(WORLDS)))
    # otherwise there was nothing to judge
    assert written["any"] >= 4
    assert written["touched"] >= 1
    assert written["linked"] >= 1


def test_no_sweep_points_a_row_at_another_rows_money(run_world: RunWorld) -> None:
    """With relink, the same; a row is pointed only at a plain payment of its order that no row holds."""
    written = run_worlds(run_world, (world(seed, relink=True) for seed in range(WORLDS)))
    assert written["any"] >= 10
    assert written["linked"] >= 1
    assert written["relinked"] >= 1


@pytest.mark.long
@pytest.mark.parametrize("relink", [False, True])
@pytest.mark.timeout(3600)
def test_many_worlds(run_world: RunWorld, *, relink: bool) -> None:
    """The same over many and larger worlds."""
    made = (world(seed, most_orders=25, most_steps=4, relink=relink) for seed in range(400))
    written = run_worlds(run_world, made)
    assert written["any"] >= 1000
