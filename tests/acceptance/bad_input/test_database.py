"""A database that is not there, goes away, refuses, or is somebody else's at the moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from reconciler.adapters.postgres import database as postgres
from tests.acceptance.world import EVENTS, LIST, World
from tests.conftest import Server

RoleFactory = Callable[[str], tuple[str, Callable[[str], str]]]


def meanwhile(world: World, endpoint: str, act: Callable[[], object], times: int = 1) -> None:
    """Do something in the middle of a sweep, before this endpoint answers."""
    left = threading.Semaphore(times)

    def hook(asked: str, _target: str) -> None:
        if asked == endpoint and left.acquire(blocking=False):
            act()

    world.stripe.before_answer = hook


def cut_connections(world: World) -> None:
    """As an administrator does: end every other connection to this database."""
    world.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize("command", ["sweep", "explain pi_1", "revert 1", "verify", "export"])
def test_the_database_is_down(world: World, command: str) -> None:
    """Not there: exit 75, which server, and what to check; Stripe is not asked."""
    answer = world.run(*command.split(), DATABASE_URL="postgresql://someone:hush@127.0.0.1:9/shop")
    assert answer.code == 75
    assert "127.0.0.1:9" in answer.err
    assert "DATABASE_URL" in answer.err
    assert "hush" not in answer.err + answer.out
    assert world.stripe.requests.reads == 0


def test_the_report_is_printed_without_a_database(world: World) -> None:
    """A sweep that could not begin prints its report all the same: a program reads it."""
    answer = world.sweep("--apply", DATABASE_URL="postgresql://127.0.0.1:9/shop")
    assert answer.code == 75
    assert answer.json["complete"] is False
    assert "127.0.0.1:9" in answer.json["stopped"]


@pytest.mark.parametrize(
    ("user", "dbname", "named"),
    [("nobody_here", None, "nobody_here"), (None, "no_such_database", "no_such_database")],
)
def test_a_role_or_database_that_is_not_there(
    world: World, user: str | None, dbname: str | None, named: str
) -> None:
    """Refused at the door: exit 78, and what was not there."""
    changed = {"user": user, "dbname": dbname}
    url = make_conninfo(world.shop.url, **{k: v for k, v in changed.items() if v is not None})
    answer = world.sweep(DATABASE_URL=url)
    assert answer.code == 78
    assert named in answer.err


def test_the_database_goes_away_between_reading_and_writing(world: World) -> None:
    """Its connections are cut in mid-pass: the page is whole or not at all, it is told, and the next sweep does it."""
    for key in range(5):
        world.pay(key)
    meanwhile(world, EVENTS, lambda: cut_connections(world))
    answer = world.sweep("--kind", "window", "--apply")
    assert answer.code in (0, 75)
    corrected = list(world.statuses().values()).count("paid")
    assert corrected == answer.json["corrected"]
    assert corrected in (0, 5)
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == corrected
    world.stripe.before_answer = None
    _let_lease_go(world)
    again = world.sweep("--kind", "window", "--apply")
    assert (again.code, again.json["corrected"]) == (0, 5 - corrected)
    world.verify()


@pytest.mark.parametrize("endpoint", [LIST, EVENTS])
def test_the_database_refuses_everybody_in_the_middle(
    world: World, server: Server, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops taking connections and cuts those there are: exit 75, the report, and nothing half done."""
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 1)
    for key in range(5):
        world.pay(key)
    before = world.substance()
    name = world.ask("SELECT current_database() AS name")[0]["name"]

    def close() -> None:
        with server.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )

    meanwhile(world, endpoint, close)
    answer = world.sweep("--kind", "window", "--apply")
    with server.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert answer.code in (75, 78)
    assert answer.json["complete"] is False
    assert answer.err
    assert world.substance() == before
    world.stripe.before_answer = None
    _let_lease_go(world)
    assert world.sweep("--apply").json["corrected"] == 5
    world.verify()


def _let_lease_go(world: World) -> None:
    """As time would: the lease of a sweep that could not give it back ends by itself."""
    world.execute("UPDATE reconciler.leases SET holder = NULL, expires_at = NULL")


def test_a_database_that_may_not_be_written(world: World) -> None:
    """Read-only: a dry run works, --apply and --record say so before Stripe is asked."""
    world.pay(1)
    world.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET"
        " default_transaction_read_only = on', current_database()); END $$"
    )
    before = world.dump()
    dry = world.sweep("--kind", "due")
    assert (dry.code, dry.json["would_correct"]) == (0, 1)
    reads = world.stripe.requests.reads
    for writing in ("--apply", "--record"):
        answer = world.sweep(writing)
        assert answer.code in (75, 78)
        assert answer.json["complete"] is False
        assert answer.err
    assert world.stripe.requests.reads == reads
    assert world.dump() == before


def test_it_becomes_read_only_in_the_middle(world: World) -> None:
    """A failover in mid-pass: exit 75, the page is not half written, and the message names what it is."""
    world.pay(1)
    before = world.substance()

    def fail_over() -> None:
        world.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET"
            " default_transaction_read_only = on', current_database()); END $$"
        )
        cut_connections(world)

    meanwhile(world, EVENTS, fail_over)
    answer = world.sweep("--kind", "due", "--apply")
    assert answer.code == 75
    assert world.substance() == before
    assert "read-only" in answer.out + answer.err or "lost" in answer.out + answer.err


def test_no_schema(world: World) -> None:
    """Without our schema a dry run works; --record, --apply, revert and resolve say: run migrate."""
    world.pay(1)
    world.execute("DROP SCHEMA reconciler CASCADE")
    dry = world.sweep("--kind", "due")
    assert (dry.code, dry.json["would_correct"]) == (0, 1)
    reads = world.stripe.requests.reads
    for command in (
        ("sweep", "--apply"),
        ("sweep", "--record"),
        ("revert", "1"),
        ("resolve", "1", "--note", "x"),
        ("verify",),
        ("discrepancies",),
        ("export",),
    ):
        answer = world.run(*command)
        assert answer.code == 78, command
        assert "reconciler migrate" in answer.err, command
    assert world.stripe.requests.reads == reads
    assert world.statuses() == {"1": "pending"}


@pytest.mark.parametrize(
    ("granted", "writing", "needs"),
    [
        ("USAGE ON SCHEMA public", [], "SELECT"),
        ("SELECT (id, status) ON public.payments", [], "SELECT"),
        ("SELECT ON public.payments", ["--apply"], "UPDATE"),
        ("SELECT, UPDATE (amount) ON public.payments", ["--apply"], "UPDATE"),
    ],
)
def test_a_privilege_is_missing(
    world: World, role: RoleFactory, granted: str, writing: list[str], needs: str
) -> None:
    """Told before Stripe is asked, by the statement that grants it: exit 78."""
    world.pay(1)
    name, url_of = role("daemon")
    world.run("migrate", "--daemon-role", name)
    world.execute(f"GRANT {granted} TO {name}")
    answer = world.sweep(*writing, DATABASE_URL=url_of(world.shop.url))
    assert answer.code == 78
    assert "GRANT" in answer.err
    assert needs in answer.err
    assert world.stripe.requests.reads == 0
    assert world.statuses() == {"1": "pending"}


def test_the_role_of_the_readme_is_enough(world: World, role: RoleFactory) -> None:
    """SELECT on the table and UPDATE of what is written, as the README grants, serve dry run, apply and revert."""
    world.pay(1)
    name, url_of = role("daemon")
    assert world.run("migrate", "--daemon-role", name).code == 0
    world.execute(
        f"GRANT USAGE ON SCHEMA public TO {name}; GRANT SELECT ON public.payments TO {name};"
        f"GRANT UPDATE (status, updated_at) ON public.payments TO {name}"
    )
    url = url_of(world.shop.url)
    assert world.sweep(DATABASE_URL=url).json["would_correct"] == 1
    report = world.sweep("--apply", DATABASE_URL=url).json
    assert report["corrected"] == 1
    assert world.run("revert", str(report["sweep"]), DATABASE_URL=url).code == 0
    assert world.statuses() == {"1": "pending"}
    world.verify()


def test_a_dry_run_needs_select_alone(world: World, role: RoleFactory) -> None:
    """A role that may read the table and nothing of ours can look; it leaves no trace."""
    world.pay(1)
    name, url_of = role("reader")
    world.execute(
        f"GRANT USAGE ON SCHEMA public TO {name}; GRANT SELECT ON public.payments TO {name}"
    )
    before = world.dump()
    answer = world.sweep(DATABASE_URL=url_of(world.shop.url))
    assert (answer.code, answer.json["would_correct"]) == (0, 1)
    assert world.dump() == before
    assert world.ask("SELECT * FROM reconciler.leases") == []


def test_the_lease_is_held_by_another(world: World) -> None:
    """Another process works on the account: exit 75, who it is, until when, and nothing is written or asked."""
    world.pay(1)
    world.execute(
        "INSERT INTO reconciler.leases VALUES ('default', 7, 'machine:4711:abc', now() + '1 hour')"
    )
    before = world.dump()
    for command in (("sweep", "--apply"), ("sweep", "--record"), ("sweep",), ("revert", "1")):
        answer = world.run(*command)
        assert answer.code == 75, command
        assert "machine:4711:abc" in answer.err, command
    assert world.sweep("--apply").json["complete"] is False
    assert world.dump() == before
    assert world.stripe.requests.count(LIST) == 0


def test_a_lease_of_the_dead_is_taken_over(world: World) -> None:
    """A lease that has run out keeps nobody away."""
    world.pay(1)
    world.execute(
        "INSERT INTO reconciler.leases VALUES ('default', 7, 'machine:4711:abc', now() - '1 s'::interval)"
    )
    assert world.sweep("--apply").json["corrected"] == 1
    assert world.ask("SELECT epoch, holder FROM reconciler.leases") == [
        {"epoch": 8, "holder": None}
    ]


def test_the_lease_is_lost_in_the_middle(world: World) -> None:
    """Taken over in mid-pass: nothing more is written by the one that lost it, exit 75, and it says so."""
    world.pay(1)
    before = world.substance()
    meanwhile(
        world,
        EVENTS,
        lambda: world.execute(
            "UPDATE reconciler.leases SET epoch = epoch + 1, holder = 'another', expires_at = now() + '1 h'"
        ),
    )
    answer = world.sweep("--kind", "due", "--apply")
    assert answer.code == 75
    assert answer.json["complete"] is False
    assert "taken" in answer.err
    assert world.substance() == before
    (lease,) = world.ask("SELECT holder FROM reconciler.leases")
    assert lease["holder"] == "another"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE public.payments RENAME COLUMN status TO state",
        "ALTER TABLE public.payments RENAME TO purchases",
        "DROP TABLE public.payments",
    ],
)
def test_the_table_changes_in_the_middle(world: World, change: str) -> None:
    """A migration of the merchant's in mid-pass: not complete, what is missing, exit 78, and nothing half done."""
    for key in range(5):
        world.pay(key)
    meanwhile(world, EVENTS, lambda: world.execute(change))
    answer = world.sweep("--kind", "due", "--apply")
    assert answer.code == 78
    assert (answer.json["complete"], answer.json["corrected"]) == (False, 0)
    assert "does not exist" in answer.err
    assert "status" in answer.err or "payments" in answer.err
    assert world.ask("SELECT * FROM reconciler.outbox") == []
    assert world.ask("SELECT * FROM reconciler.discrepancies") == []
    world.verify()


def test_connections_are_given_back(world: World) -> None:
    """After a sweep, good or bad, no connection and no transaction of ours is left."""
    world.pay(1)
    world.sweep("--apply")
    world.sweep("--apply", RECONCILER_STRIPE__API_BASE="http://127.0.0.1:9")
    with psycopg.connect(world.shop.url) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'reconciler'"
        ).fetchone() or (None,)
    assert count == 0
